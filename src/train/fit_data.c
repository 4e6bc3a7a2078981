/* train/fit_data: what a run is fed with: windows of a token file, or examples. */
#include "base/os.h"
#include "train/fit_run.h"

static enum tuff_status no_memory(struct fit *f)
{
    return tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
}

/* ---- text ---- */

static enum tuff_status open_token_file(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    if (tuff_run_is_token_file(p))
        return tuff_token_file_open(f->ctx, p->data[0], true, &f->data);
    char *path = tuff_os_path_join(p->out, "data.tok");
    enum tuff_status status = path ? TUFF_OK : no_memory(f);
    if (path && (!f->resume_from || tuff_os_path_kind(path) != TUFF_PATH_FILE)) {
        if (!f->tokenizer)
            status = tuff_fail(f->ctx, TUFF_E_ARG, "training on text needs a tokenizer "
                               "(make one with `tuff tokenizer train`)");
        else if (!p->n_data)
            status = tuff_fail(f->ctx, TUFF_E_IO, "%s: is not there, and no text is given to make "
                               "it from", path);
        else
            status = tuff_run_encode(f->ctx, p, f->tokenizer, path);
    }
    if (status == TUFF_OK)
        status = tuff_token_file_open(f->ctx, path, true, &f->data);
    free(path);
    return status;
}

static enum tuff_status open_text(struct fit *f)
{
    if (f->params->pack)
        return tuff_fail(f->ctx, TUFF_E_ARG, "pack: windows of text are full as they are; examples are "
                         "packed (tuff sft)");
    TUFF_TRY(open_token_file(f));
    const struct tuff_token_info *info = tuff_token_file_info(f->data);
    f->info = *info;
    if (f->tokenizer && info->tokenizer_hash &&
        info->tokenizer_hash != tuff_run_vocabulary(f->tokenizer))
        return tuff_fail(f->ctx, TUFF_E_ARG, "%s: its tokens were made with another tokenizer than "
                         "the one given", f->params->n_data ? f->params->data[0] : f->params->out);
    if (f->tokenizer && info->vocab > tuff_tokenizer_vocab_size(f->tokenizer))
        return tuff_fail(f->ctx, TUFF_E_RANGE, "the data's vocabulary has %llu ids, the "
                         "tokenizer's %lu", (unsigned long long) info->vocab,
                         (unsigned long) tuff_tokenizer_vocab_size(f->tokenizer));
    tuff_fit_note(f, "data: %llu tokens to train on, %llu held out (%llu bytes of text)",
                  (unsigned long long) info->train,
                  (unsigned long long) (info->count - info->train),
                  (unsigned long long) info->validation_bytes);
    return TUFF_OK;
}

static enum tuff_status open_text_loaders(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    const struct tuff_token_info *info = &f->info;
    struct tuff_loader_params params = {.file = f->data,
                                        .split = TUFF_SPLIT_TRAIN,
                                        .batch = (uint32_t) (p->batch * p->accumulate),
                                        .context = (uint32_t) p->context};
    TUFF_TRY(tuff_prefetch_create(f->ctx, &params, &f->state.position, &f->prefetch));
    if (info->count == info->train)
        return TUFF_OK;
    params.split = TUFF_SPLIT_VALIDATION;
    params.batch = (uint32_t) p->batch;
    TUFF_TRY(tuff_loader_create(f->ctx, &params, &f->held_out));
    f->all_batches = (int64_t) tuff_div_up(tuff_loader_windows(f->held_out, 0, 0),
                                           (uint64_t) p->batch);
    f->eval_batches = p->eval_batches ? TUFF_MIN(p->eval_batches, f->all_batches) : f->all_batches;
    return TUFF_OK;
}

/* ---- examples ---- */

static struct tuff_token_info example_info(const struct tuff_examples *examples)
{
    struct tuff_token_info info = {.checksum = tuff_examples_checksum(examples)};
    for (size_t i = 0; i < tuff_examples_count(examples); i++) {
        struct tuff_example e = tuff_examples_get(examples, i);
        for (size_t k = 0; k < e.n; k++)
            info.vocab = TUFF_MAX(info.vocab, (uint64_t) e.ids[k] + 1);
        info.count += e.counted;
    }
    info.train = info.count;
    return info;
}

/* A shape more, where a set for evaluation has an example longer than all that is trained on. */
static enum tuff_status fit_longest(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    int64_t longest = 0, last = f->shapes[f->n_shapes - 1].context;
    for (size_t k = 0; k < p->n_eval_data && p->eval_examples; k++)
        for (size_t i = 0; p->eval_examples[k] && i < tuff_examples_count(p->eval_examples[k]); i++)
            longest = TUFF_MAX(longest, (int64_t) tuff_examples_get(p->eval_examples[k], (uint32_t) i).n - 1);
    if (longest <= last)
        return TUFF_OK;
    if (longest > p->context)
        return tuff_fail(f->ctx, TUFF_E_RANGE, "eval_data: an example has %lld tokens, the context %lld",
                         (long long) longest + 1, (long long) p->context);
    struct tuff_train_shape *more = realloc(f->shapes, (f->n_shapes + 1) * sizeof *more);
    if (!more)
        return no_memory(f);
    f->shapes = more;
    longest = TUFF_MIN((int64_t) tuff_align_up((uint64_t) longest, 8), p->context);
    f->shapes[f->n_shapes++] = (struct tuff_train_shape) {TUFF_MAX(p->batch * p->context / longest, 1), longest};
    return TUFF_OK;
}

enum tuff_status tuff_fit_open_examples(struct fit *f, const struct tuff_examples *examples,
                                        struct tuff_example_loader **loader)
{
    return tuff_example_loader_create(f->ctx,
                                      &(struct tuff_example_loader_params) {
                                          .examples = examples, .n = tuff_examples_count(examples),
                                          .shapes = f->shapes, .n_shapes = f->n_shapes,
                                          .pack = f->params->pack},
                                      loader);
}

static enum tuff_status create_example_loaders(struct fit *f, const uint32_t *order, size_t n,
                                               size_t train)
{
    const struct tuff_fit_params *p = f->params;
    TUFF_TRY(tuff_example_shapes(f->ctx, p->examples, order, n, p->batch, p->context, p->pack,
                                 &f->shapes, &f->n_shapes));
    TUFF_TRY(fit_longest(f));
    struct tuff_example_loader_params params = {.examples = p->examples, .indices = order,
                                                .n = train, .shapes = f->shapes,
                                                .n_shapes = f->n_shapes, .shuffle = true,
                                                .pack = p->pack};
    TUFF_TRY(tuff_example_loader_create(f->ctx, &params, &f->examples));
    size_t room = tuff_example_loader_room(f->examples), slots = (size_t) p->accumulate + 1;
    f->ready.memory = tuff_calloc(4 * room * slots, sizeof *f->ready.memory);
    if (!f->ready.memory)
        return no_memory(f);
    if (train == n)
        return TUFF_OK;
    params.indices = order + train;
    params.n = n - train;
    params.shuffle = false;
    TUFF_TRY(tuff_example_loader_create(f->ctx, &params, &f->held_out_examples));
    f->all_batches = (int64_t) tuff_example_loader_batches(f->held_out_examples);
    f->eval_batches = p->eval_batches ? TUFF_MIN(p->eval_batches, f->all_batches) : f->all_batches;
    for (size_t i = train; i < n; i++)
        f->info.validation_bytes += tuff_examples_get(p->examples, order[i]).bytes;
    f->info.train = tuff_example_loader_counted(f->examples);
    return TUFF_OK;
}

static enum tuff_status open_example_loaders(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    size_t n = tuff_examples_count(p->examples), train = n;
    uint32_t *order;
    enum tuff_status status =
        tuff_examples_split(f->ctx, n, p->validation, p->seed, &order, &train);
    if (status == TUFF_OK)
        status = create_example_loaders(f, order, n, train);
    free(order);
    TUFF_TRY(status);
    struct tuff_text list = {0};
    for (size_t i = 0; i < f->n_shapes; i++)
        tuff_text_printf(&list, "%s%lld x %lld", i ? ", " : "", (long long) f->shapes[i].batch,
                         (long long) f->shapes[i].context);
    tuff_fit_note(f, "data: %zu examples to train on, %zu held out; micro-batches of %s", train,
                  n - train, list.s ? list.s : "");
    tuff_text_fini(&list);
    return TUFF_OK;
}

/* ---- either ---- */

enum tuff_status tuff_fit_open_data(struct fit *f)
{
    if (f->params->task.name)
        return tuff_task_open(f);
    if (!f->params->examples)
        return open_text(f);
    if (!tuff_examples_count(f->params->examples))
        return tuff_fail(f->ctx, TUFF_E_ARG, "no examples to train on");
    f->info = example_info(f->params->examples);
    return TUFF_OK;
}

enum tuff_status tuff_fit_open_loaders(struct fit *f)
{
    f->ready.micros = tuff_calloc((size_t) f->params->accumulate, sizeof *f->ready.micros);
    if (!f->ready.micros)
        return no_memory(f);
    return f->task               ? tuff_task_open_loaders(f)
           : f->params->examples ? open_example_loaders(f)
                                 : open_text_loaders(f);
}

void tuff_fit_close_data(struct fit *f)
{
    tuff_task_close(f);
    tuff_example_loader_destroy(f->examples);
    tuff_example_loader_destroy(f->held_out_examples);
    tuff_prefetch_destroy(f->prefetch);
    tuff_loader_destroy(f->held_out);
    tuff_token_file_close(f->data);
    free(f->ready.micros);
    free(f->ready.memory);
    free(f->shapes);
}

bool tuff_fit_validates(const struct fit *f)
{
    return f->held_out || f->held_out_examples || tuff_task_validates(f);
}

bool tuff_fit_evaluates(const struct fit *f)
{
    return tuff_fit_validates(f) || f->n_sets;
}

uint64_t tuff_fit_epoch_steps(const struct fit *f, int64_t epochs)
{
    const struct tuff_fit_params *p = f->params;
    uint64_t train = f->info.train, each = (uint64_t) p->accumulate;
    if (f->task)
        return tuff_div_up(tuff_task_batches(f) * (uint64_t) epochs, each);
    if (f->examples)
        return tuff_div_up(tuff_example_loader_batches(f->examples) * (uint64_t) epochs, each);
    uint64_t windows = train > 0 ? (train - 1) / (uint64_t) p->context * (uint64_t) epochs : 0;
    return tuff_div_up(windows, (uint64_t) p->batch * each);
}

/* What the loader will have, over the same examples. */
static enum tuff_status expect_example_batches(struct fit *f, uint64_t *batches)
{
    const struct tuff_fit_params *p = f->params;
    size_t n = tuff_examples_count(p->examples), train = n, n_shapes = 0;
    struct tuff_example_loader *loader = NULL;
    struct tuff_train_shape *shapes = NULL;
    uint32_t *order = NULL;
    enum tuff_status status = tuff_examples_split(f->ctx, n, p->validation, p->seed, &order, &train);
    if (status == TUFF_OK)
        status = tuff_example_shapes(f->ctx, p->examples, order, n, p->batch, p->context, p->pack, &shapes,
                                     &n_shapes);
    if (status == TUFF_OK)
        status = tuff_example_loader_create(f->ctx,
                                            &(struct tuff_example_loader_params) {
                                                .examples = p->examples, .indices = order, .n = train,
                                                .shapes = shapes, .n_shapes = n_shapes, .shuffle = true,
                                                .pack = p->pack},
                                            &loader);
    *batches = status == TUFF_OK ? tuff_example_loader_batches(loader) : 0;
    tuff_example_loader_destroy(loader);
    free(shapes);
    free(order);
    return status;
}

enum tuff_status tuff_fit_expect_steps(struct fit *f, int64_t epochs, uint64_t *steps)
{
    uint64_t batches;
    if (!f->task && !f->params->examples) {
        *steps = tuff_fit_epoch_steps(f, epochs);
        return TUFF_OK;
    }
    TUFF_TRY(f->task ? tuff_task_expect_batches(f, &batches) : expect_example_batches(f, &batches));
    *steps = tuff_div_up(batches * (uint64_t) epochs, (uint64_t) f->params->accumulate);
    return TUFF_OK;
}

/* Room for the ids, targets and segments of micro-batch i; that behind the step's is evaluation's. */
static uint32_t *room_of(const struct fit *f, int64_t i)
{
    return f->ready.memory + 4 * tuff_example_loader_room(f->examples) * (size_t) i;
}

static enum tuff_status fill(struct fit *f, struct tuff_example_loader *loader,
                             struct tuff_data_position *position, int64_t i,
                             struct tuff_micro *micro, uint64_t *counted)
{
    size_t room = tuff_example_loader_room(f->examples);
    uint32_t *ids = room_of(f, i);
    return tuff_example_loader_fill(loader, position, ids, ids + room, ids + 2 * room, micro,
                                    counted);
}

enum tuff_status tuff_fit_fetch(struct fit *f, const struct tuff_data_position *from)
{
    const struct tuff_fit_params *p = f->params;
    struct fit_step *ready = &f->ready;
    if (f->task)
        return tuff_task_fetch(f, from);
    if (!f->examples) {
        size_t n = (size_t) (p->batch * p->context);
        struct tuff_batch batch;
        TUFF_TRY(tuff_prefetch_next(f->prefetch, &batch));
        for (size_t i = 0; i < (size_t) p->accumulate; i++)
            ready->micros[i] = (struct tuff_micro) {.ids = batch.ids + i * n,
                                                    .targets = batch.targets + i * n};
        ready->counted = batch.counted;
        ready->next = batch.next;
        return TUFF_OK;
    }
    ready->next = *from;
    ready->counted = 0;
    for (int64_t i = 0; i < p->accumulate; i++) {
        uint64_t counted;
        TUFF_TRY(fill(f, f->examples, &ready->next, i, &ready->micros[i], &counted));
        ready->counted += counted;
    }
    return TUFF_OK;
}

enum tuff_status tuff_fit_score_examples(struct fit *f, struct tuff_example_loader *loader,
                                         struct tuff_data_position *position, double *nats,
                                         uint64_t *counted)
{
    struct tuff_micro micro;
    TUFF_TRY(fill(f, loader, position, f->params->accumulate, &micro, counted));
    return tuff_trainer_evaluate_micro(f->trainer, &micro, nats);
}

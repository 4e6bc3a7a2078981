/* train/fit_task: what a run on a task is fed with: records of text with labels, or with words to guess. */
#include "base/os.h"
#include "train/fit_run.h"
#include "train/task_score.h"
#include "tuff/data_loader.h"

enum { TEXT, PAIR, LABEL, FIELDS };

/* Records, and how they become batches. */
struct task_set {
    struct tuff_dataset *dataset;
    struct tuff_samples *samples;
    uint32_t *order;
    struct tuff_collate_params collate;
};

struct fit_task {
    enum tuff_sample_kind kind;
    struct task_set set;              /* what is learnt */
    struct tuff_collate_params held_out; /* the rest of its samples */
    const char **labels;              /* NULL: masked words */
    size_t n_labels;
    struct task_score score;
    struct tuff_fit_metric *metrics;
    /* A step's micro-batches are made ahead: step i of the loader begins with micro-batch `first` + i `each`,
     * counted over all epochs. */
    struct tuff_data_loader *loader;
    uint64_t first, given, each, stride; /* stride: bytes from one to the next */
    void *memory;                     /* of a batch to evaluate */
};

static enum tuff_status no_memory(struct fit *f)
{
    return tuff_fail(f->ctx, TUFF_E_NOMEM, "training: out of host memory");
}

/* ---- which task ---- */

static const struct {
    const char *name;
    enum tuff_sample_kind kind;
    enum tuff_task task;
} tasks[] = {{"mlm", TUFF_SAMPLE_MASKED, TUFF_TASK_MASKED_LM},
             {"classification", TUFF_SAMPLE_SEQUENCE, TUFF_TASK_SEQUENCE_CLASSIFICATION},
             {"token-classification", TUFF_SAMPLE_TOKENS, TUFF_TASK_TOKEN_CLASSIFICATION}};

static enum tuff_task task_of(const struct fit_task *t)
{
    size_t i = 0;
    while (tasks[i].kind != t->kind)
        i++;
    return tasks[i].task;
}

/* TUFF_COUNT(tasks): none is called so. */
static size_t find_task(const char *name)
{
    size_t i = 0;
    while (i < TUFF_COUNT(tasks) && strcmp(name, tasks[i].name))
        i++;
    return i;
}

bool tuff_fit_task_find(const char *name, enum tuff_sample_kind *kind)
{
    size_t i = find_task(name);
    if (i < TUFF_COUNT(tasks))
        *kind = tasks[i].kind;
    return i < TUFF_COUNT(tasks);
}

bool tuff_fit_task_head(const char *name, enum tuff_task *task)
{
    size_t i = find_task(name);
    if (i < TUFF_COUNT(tasks))
        *task = tasks[i].task;
    return i < TUFF_COUNT(tasks);
}

enum tuff_status tuff_task_open(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    const struct tuff_fit_task *told = &p->task;
    if (!f->tokenizer)
        return tuff_fail(f->ctx, TUFF_E_ARG, "a new model needs a tokenizer (make one with `tuff tokenizer "
                         "train`)");
    if (!(f->task = tuff_calloc(1, sizeof *f->task)))
        return no_memory(f);
    struct fit_task *t = f->task;
    if (!tuff_fit_task_find(told->name, &t->kind))
        return tuff_fail(f->ctx, TUFF_E_ARG, "task \"%.40s\": mlm, classification or token-classification",
                         told->name);
    if (t->kind != TUFF_SAMPLE_MASKED && !told->label)
        return tuff_fail(f->ctx, TUFF_E_ARG, "say which field is the label");
    if (p->pack || p->neftune > 0)
        return tuff_fail(f->ctx, TUFF_E_ARG, "%s is not for task %s", p->pack ? "pack" : "neftune", told->name);
    f->info.vocab = tuff_tokenizer_vocab_size(f->tokenizer);
    return TUFF_OK;
}

/* ---- records ---- */

static enum tuff_status open_dataset(struct fit *f, const char *const *paths, size_t n, struct task_set *set)
{
    const struct tuff_fit_task *told = &f->params->task;
    bool labelled = f->task->kind != TUFF_SAMPLE_MASKED;
    const struct tuff_field fields[FIELDS] = {
        [TEXT] = {told->text ? told->text : "text"},
        [PAIR] = {told->pair ? told->pair : "", !told->pair},
        [LABEL] = {labelled ? told->label : "", !labelled}};
    return tuff_dataset_open(f->ctx,
                             &(struct tuff_dataset_params) {.paths = paths, .n_paths = n, .fields = fields,
                                                            .n_fields = FIELDS, .whole = told->whole},
                             &set->dataset);
}

static enum tuff_status load_samples(struct fit *f, int64_t context, struct task_set *set)
{
    const struct fit_task *t = f->task;
    const struct tuff_fit_task *told = &f->params->task;
    struct tuff_samples_report s;
    TUFF_TRY(tuff_samples_load(f->ctx,
                               &(struct tuff_samples_params) {
                                   .kind = t->kind, .data = set->dataset, .text = TEXT,
                                   .pair = told->pair ? PAIR : SIZE_MAX,
                                   .label = t->kind == TUFF_SAMPLE_MASKED ? SIZE_MAX : LABEL,
                                   .labels = t->labels, .n_labels = t->n_labels,
                                   .tokenizer = f->tokenizer, .context = (size_t) context},
                               &set->samples, &s));
    if (s.empty)
        tuff_fit_note(f, "%zu of %zu records have no text and are left out, the first is %s", s.empty,
                      s.records, s.first_empty);
    if (s.longer)
        tuff_fit_note(f, "%zu of %zu texts are longer than the context of %lld tokens and are %s, the "
                      "first is %s", s.longer, s.records, (long long) context,
                      t->kind == TUFF_SAMPLE_MASKED ? "several samples" : "cut", s.first_longer);
    return TUFF_OK;
}

static void close_set(struct task_set *set)
{
    tuff_samples_destroy(set->samples);
    tuff_dataset_close(set->dataset);
    free(set->order);
}

/* ---- the model's configuration ---- */

/* The model has this task's head, and names for its labels other than LABEL_0, LABEL_1 ... */
static bool knows_labels(const struct fit *f)
{
    const struct tuff_model_config *c = &f->config;
    bool known = false;
    for (int64_t i = 0; i < c->num_labels && c->label_bytes && c->task == task_of(f->task); i++) {
        char usual[32], name[32];
        snprintf(name, sizeof name, "LABEL_%lld", (long long) i);
        known |= strcmp(tuff_model_label(c, i, usual), name) != 0;
    }
    return known && (f->resume_from || f->init);
}

/* A model that knows this task keeps its labels' names and order; else they are the data's. */
static enum tuff_status choose_labels(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    struct tuff_model_config *c = &f->config;
    struct fit_task *t = f->task;
    if (knows_labels(f)) {
        char usual[32];
        t->n_labels = (size_t) c->num_labels;
        if (!(t->labels = tuff_calloc(t->n_labels, sizeof *t->labels)))
            return no_memory(f);
        for (size_t i = 0; i < t->n_labels; i++)
            t->labels[i] = tuff_model_label(c, (int64_t) i, usual);
        return TUFF_OK;
    }
    TUFF_TRY(tuff_dataset_labels(f->ctx, t->set.dataset, LABEL, &t->labels, &t->n_labels));
    if (t->n_labels < 2)
        return tuff_fail(f->ctx, TUFF_E_ARG, "%s: field \"%s\" has %s: there is nothing to tell apart",
                         p->data[0], p->task.label, t->n_labels ? "one label only" : "no label");
    c->problem = TUFF_PROBLEM_ONE_LABEL;
    return tuff_model_config_set_labels(f->ctx, c, t->labels, t->n_labels);
}

enum tuff_status tuff_task_config(struct fit *f)
{
    struct tuff_model_config with_head = f->config;
    TUFF_TRY(tuff_model_config_set_task(f->ctx, &with_head, task_of(f->task)));
    TUFF_TRY(open_dataset(f, f->params->data, f->params->n_data, &f->task->set));
    if (f->task->kind != TUFF_SAMPLE_MASKED)
        TUFF_TRY(choose_labels(f));
    f->config.task = with_head.task;
    return TUFF_OK;
}

/* ---- scores ---- */

static void add_scores(void *user, const float *logits, const uint32_t *labels, size_t n, size_t n_labels)
{
    (void) n_labels;
    task_score_add(user, logits, labels, n);
}

/* The second one counts nothing of its own. */
static void add_nothing(void *user, const float *logits, const uint32_t *labels, size_t n, size_t n_labels)
{
    (void) user, (void) logits, (void) labels, (void) n, (void) n_labels;
}

static double accuracy(void *user)
{
    return task_score_result(user).accuracy;
}

static double f1(void *user)
{
    double value = task_score_result(user).f1;
    task_score_clear(user);
    return value;
}

/* Accuracy and F1, before what the caller asks for. */
static enum tuff_status add_metrics(struct fit *f)
{
    struct tuff_fit_params *p = &f->own;
    struct fit_task *t = f->task;
    size_t others = SIZE_MAX;
    if (t->kind == TUFF_SAMPLE_MASKED)
        return TUFF_OK;
    for (size_t i = 0; i < t->n_labels && t->kind == TUFF_SAMPLE_TOKENS; i++)
        if (!strcmp(t->labels[i], "O"))
            others = i;
    TUFF_TRY(task_score_init(f->ctx, &t->score, t->n_labels, others, t->kind == TUFF_SAMPLE_TOKENS));
    if (!(t->metrics = tuff_calloc(p->n_metrics + 2, sizeof *t->metrics)))
        return no_memory(f);
    t->metrics[0] = (struct tuff_fit_metric) {"accuracy", &t->score, add_scores, accuracy};
    t->metrics[1] = (struct tuff_fit_metric) {"f1", &t->score, add_nothing, f1};
    for (size_t i = 0; i < p->n_metrics; i++)
        t->metrics[i + 2] = p->metrics[i];
    p->metrics = t->metrics;
    p->n_metrics += 2;
    return TUFF_OK;
}

/* ---- samples and batches ---- */

enum tuff_status tuff_task_load(struct fit *f)
{
    struct fit_task *t = f->task;
    int64_t most = f->config.max_position_embeddings, *context = &f->own.context;
    if (f->soft_prompt.virtual_tokens) {
        TUFF_TRY(tuff_model_check_prompted(f->ctx, "a soft prompt", &f->config));
        if (most > 0 && most <= f->soft_prompt.virtual_tokens)
            return tuff_fail(f->ctx, TUFF_E_RANGE, "%lld virtual tokens leave no room: the model takes %lld "
                             "tokens",
                             (long long) f->soft_prompt.virtual_tokens, (long long) most);
        most = TUFF_MAX(most - f->soft_prompt.virtual_tokens, 0);
    }
    TUFF_TRY(load_samples(f, *context ? *context : most > 0 ? most : 512, &t->set));
    int64_t longest = (int64_t) tuff_align_up(tuff_samples_longest(t->set.samples), 8);
    if (!*context)
        *context = most > 0 ? TUFF_MIN(longest, most) : longest;
    t->set.collate.time = (size_t) TUFF_MIN(longest, *context);
    f->info.checksum = tuff_samples_checksum(t->set.samples);
    return add_metrics(f);
}

/* "[MASK]", or what else tokenizers call it. */
static enum tuff_status find_mask(struct fit *f, uint32_t *id)
{
    static const char *const names[] = {"[MASK]", "<mask>", "<|mask|>"};
    for (size_t i = 0; i < TUFF_COUNT(names); i++)
        if (tuff_tokenizer_id_of(f->tokenizer, names[i], id))
            return TUFF_OK;
    return tuff_fail(f->ctx, TUFF_E_ARG, "the tokenizer has no token [MASK] or <mask>: masked words need "
                     "one (tuff tokenizer train --model wordpiece has)");
}

static enum tuff_status make_collators(struct fit *f, size_t n, size_t train)
{
    const struct tuff_fit_params *p = f->params;
    struct fit_task *t = f->task;
    struct tuff_collate_params *c = &t->set.collate, *h = &t->held_out;
    *c = (struct tuff_collate_params) {
        .samples = t->set.samples, .indices = t->set.order, .n = train, .shuffle = true,
        .batch = (size_t) p->batch, .time = c->time, .pad = (uint32_t) TUFF_MAX(f->config.pad_token_id, 0),
        .masking = {.share = p->task.mask_share > 0 ? p->task.mask_share : 0.15,
                    .vocab = tuff_tokenizer_vocab_size(f->tokenizer), .whole_words = p->task.whole_words}};
    if (t->kind == TUFF_SAMPLE_MASKED)
        TUFF_TRY(find_mask(f, &c->masking.mask));
    TUFF_TRY(tuff_collate_group(f->ctx, c->samples, t->set.order, train, c->batch, c->time, NULL, &c->groups));
    *h = *c;
    h->indices = t->set.order + train;
    h->n = n - train;
    h->shuffle = false;
    return tuff_collate_group(f->ctx, c->samples, t->set.order + train, h->n, h->batch, h->time, &c->groups,
                              &h->groups);
}

static void tell_data(struct fit *f, size_t n)
{
    const struct fit_task *t = f->task;
    struct tuff_text list = {0};
    for (size_t i = 0; i < f->n_shapes; i++)
        tuff_text_printf(&list, "%s%lld x %lld", i ? ", " : "", (long long) f->shapes[i].batch,
                         (long long) f->shapes[i].context);
    tuff_fit_note(f, "data: %zu samples to train on, %zu held out; micro-batches of %s%s", t->set.collate.n,
                  n - t->set.collate.n, list.s ? list.s : "", t->n_labels ? "; labels:" : "");
    tuff_text_fini(&list);
    for (size_t i = 0; i < t->n_labels && i < 20; i++)
        tuff_fit_note(f, "  label %zu: %s", i, t->labels[i]);
}

enum tuff_status tuff_task_open_loaders(struct fit *f)
{
    const struct tuff_fit_params *p = f->params;
    struct fit_task *t = f->task;
    size_t n = tuff_samples_count(t->set.samples), train;
    TUFF_TRY(tuff_examples_split(f->ctx, n, p->validation, p->seed, &t->set.order, &train));
    TUFF_TRY(make_collators(f, n, train));
    const struct tuff_collate_groups *g = &t->set.collate.groups;
    t->stride = tuff_align_up(tuff_collate_bytes(&t->set.collate), 16);
    t->each = (uint64_t) p->accumulate;
    t->memory = tuff_calloc(1, t->stride);
    f->shapes = tuff_calloc(g->n, sizeof *f->shapes);
    if (!t->memory || !f->shapes)
        return no_memory(f);
    for (; f->n_shapes < g->n; f->n_shapes++)
        f->shapes[f->n_shapes] = (struct tuff_train_shape) {p->batch, (int64_t) g->lengths[f->n_shapes]};
    f->all_batches = (int64_t) tuff_collate_batches(&t->held_out);
    f->eval_batches = p->eval_batches ? TUFF_MIN(p->eval_batches, f->all_batches) : f->all_batches;
    tell_data(f, n);
    return TUFF_OK;
}

enum tuff_status tuff_task_expect_batches(struct fit *f, uint64_t *batches)
{
    const struct tuff_fit_params *p = f->params;
    struct tuff_collate_params c = f->task->set.collate;
    uint32_t *order = NULL;
    c.samples = f->task->set.samples;
    c.batch = (size_t) p->batch;
    enum tuff_status status =
        tuff_examples_split(f->ctx, tuff_samples_count(c.samples), p->validation, p->seed, &order, &c.n);
    if (status == TUFF_OK)
        status = tuff_collate_group(f->ctx, c.samples, order, c.n, c.batch, c.time, NULL, &c.groups);
    *batches = status == TUFF_OK ? tuff_collate_batches(&c) : 0;
    free(order);
    return status;
}

uint64_t tuff_task_batches(const struct fit *f)
{
    return tuff_collate_batches(&f->task->set.collate);
}

static struct tuff_data_position position_of(const struct fit *f, uint64_t micro)
{
    uint64_t epoch = tuff_task_batches(f);
    return (struct tuff_data_position) {f->params->seed, micro / epoch, micro % epoch};
}

/* A worker's: the micro-batches of a step, which may reach into the next epoch. */
static enum tuff_status fill(void *user, struct tuff_ctx *ctx, const struct tuff_data_position *at,
                             void *batch)
{
    const struct fit *f = user;
    struct fit_task *t = f->task;
    for (uint64_t i = 0; i < t->each; i++) {
        struct tuff_data_position one = position_of(f, t->first + at->index * t->each + i);
        TUFF_TRY(tuff_collate(&t->set.collate, ctx, &one, (char *) batch + i * t->stride));
    }
    return TUFF_OK;
}

/* A loader whose first step begins there. */
static enum tuff_status seek(struct fit *f, uint64_t micro)
{
    struct fit_task *t = f->task;
    tuff_data_loader_destroy(t->loader);
    t->loader = NULL;
    t->first = micro;
    t->given = 0;
    return tuff_data_loader_create(f->ctx,
                                   &(struct tuff_data_loader_params) {
                                       .workers = (int) f->params->task.workers, .batches = (uint64_t) 1 << 62,
                                       .bytes = t->each * t->stride, .fill = fill, .user = f},
                                   &(struct tuff_data_position) {0}, &t->loader);
}

static struct tuff_micro micro_of(const struct tuff_collated *c)
{
    return (struct tuff_micro) {.shape = c->group, .ids = c->ids, .targets = c->labels,
                                .token_types = c->types, .visible = c->visible};
}

enum tuff_status tuff_task_fetch(struct fit *f, const struct tuff_data_position *from)
{
    struct fit_task *t = f->task;
    const void *memory;
    uint64_t micro = from->epoch * tuff_task_batches(f) + from->index;
    if (!t->loader || micro != t->first + t->given * t->each)
        TUFF_TRY(seek(f, micro));
    TUFF_TRY(tuff_data_loader_next(t->loader, &memory, NULL));
    t->given++;
    f->ready.counted = f->ready.tokens = 0;
    for (uint64_t i = 0; i < t->each; i++) {
        const void *one = (const char *) memory + i * t->stride;
        const struct tuff_collated *c = one;
        f->ready.micros[i] = micro_of(c);
        f->ready.counted += c->counted;
        for (size_t row = 0; row < c->rows; row++)
            f->ready.tokens += c->visible[2 * row + 1];
    }
    /* Of a few short texts chance may mask no word: a step that learns nothing. */
    f->ready.counted = TUFF_MAX(f->ready.counted, 1);
    f->ready.next = position_of(f, micro + t->each);
    return TUFF_OK;
}

/* ---- evaluation ---- */

bool tuff_task_validates(const struct fit *f)
{
    return f->task && f->task->held_out.n;
}

enum tuff_status tuff_task_open_set(struct fit *f, const char *path, struct task_set **out, int64_t *batches)
{
    struct task_set *set = *out = tuff_calloc(1, sizeof **out);
    struct fit_task *t = f->task;
    if (!set)
        return no_memory(f);
    TUFF_TRY(open_dataset(f, &path, 1, set));
    TUFF_TRY(load_samples(f, f->params->context, set));
    size_t n = tuff_samples_count(set->samples);
    if (!(set->order = tuff_calloc(n, sizeof *set->order)))
        return no_memory(f);
    for (size_t i = 0; i < n; i++)
        set->order[i] = (uint32_t) i;
    set->collate = t->held_out;
    set->collate.samples = set->samples;
    set->collate.indices = set->order;
    set->collate.n = n;
    *batches = (int64_t) tuff_collate_batches(&set->collate);
    return tuff_collate_group(f->ctx, set->samples, set->order, n, t->held_out.batch, t->held_out.time,
                              &t->set.collate.groups, &set->collate.groups);
}

void tuff_task_close_set(struct task_set *set)
{
    if (!set)
        return;
    close_set(set);
    free(set);
}

/* Words are masked as in epoch 0 of the seed, each time the same. */
enum tuff_status tuff_task_score(struct fit *f, struct task_set *set, uint64_t index, double *nats,
                                 uint64_t *counted)
{
    const struct tuff_fit_params *p = f->params;
    struct fit_task *t = f->task;
    struct tuff_collate_params *c = set ? &set->collate : &t->held_out;
    const struct tuff_collated *b = t->memory;
    const struct tuff_data_position at = {.seed = p->seed, .index = index};
    TUFF_TRY(tuff_collate(c, f->ctx, &at, t->memory));
    struct tuff_micro micro = micro_of(b);
    TUFF_TRY(tuff_trainer_evaluate_micro(f->trainer, &micro, nats));
    *counted = b->counted;
    size_t n = c->batch * (t->kind == TUFF_SAMPLE_SEQUENCE ? 1 : b->time);
    for (size_t k = 0; k < p->n_metrics; k++)
        p->metrics[k].add(p->metrics[k].user, tuff_trainer_eval_logits(f->trainer, b->group), b->labels, n,
                          t->kind == TUFF_SAMPLE_MASKED ? (size_t) f->config.vocab_size : t->n_labels);
    return TUFF_OK;
}

void tuff_task_close(struct fit *f)
{
    struct fit_task *t = f->task;
    if (!t)
        return;
    tuff_data_loader_destroy(t->loader);
    close_set(&t->set);
    task_score_fini(&t->score);
    free(t->metrics);
    free(t->labels);
    free(t->memory);
    free(t);
    f->task = NULL;
}

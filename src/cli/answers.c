/* cli/answers: see answers.h. */
#include "cli/answers.h"
#include "tuff/fit.h"

#define AT_ONCE 16 /* sequences */

static enum tuff_status no_memory(struct cli_answers *a)
{
    return tuff_fail(a->ctx, TUFF_E_NOMEM, "answers: out of host memory");
}

/* Without the space around it. */
static enum tuff_status decode(struct cli_answers *a, const uint32_t *ids, size_t n, char **text)
{
    size_t bytes = 0;
    free(*text);
    TUFF_TRY(tuff_tokenizer_decode(a->ctx, a->tokenizer, ids, n, TUFF_DECODE_SKIP_UNKNOWN, text,
                                   &bytes));
    size_t first = strspn(*text, " \t\r\n");
    while (bytes > first && strchr(" \t\r\n", (*text)[bytes - 1]))
        bytes--;
    memmove(*text, *text + first, bytes - first);
    (*text)[bytes - first] = 0;
    return TUFF_OK;
}

static struct cli_question *push(struct cli_answers *a, const uint32_t *ids, size_t n)
{
    struct cli_question *q = TUFF_PUSH(&a->questions);
    if (!q || !tuff_grow((void **) &q->prompt.items, &q->prompt.cap, TUFF_MAX(n, 1), sizeof *ids))
        return NULL;
    if (n)
        memcpy(q->prompt.items, ids, n * sizeof *ids);
    q->prompt.n = n;
    q->end = UINT32_MAX;
    return q;
}

enum tuff_status cli_answers_add(struct cli_answers *a, const struct tuff_example *e)
{
    size_t first = 1, end;
    while (first < e->n && !e->counts[first])
        first++;
    for (end = first; end < e->n && e->counts[end];)
        end++;
    struct cli_question *q = push(a, e->ids, first);
    if (!q)
        return no_memory(a);
    if (end > first && tuff_tokenizer_is_special(a->tokenizer, e->ids[end - 1]))
        q->end = e->ids[end - 1];
    TUFF_TRY(decode(a, e->ids, first, &q->text));
    return decode(a, e->ids + first, end - first, &q->expected);
}

enum tuff_status cli_answers_add_text(struct cli_answers *a, const char *text)
{
    struct tuff_ids ids = {0};
    enum tuff_status status =
        tuff_tokenizer_encode(a->ctx, a->tokenizer, text, strlen(text), 0, &ids);
    struct cli_question *q = status == TUFF_OK ? push(a, ids.items, ids.n) : NULL;
    if (q)
        status = decode(a, ids.items, ids.n, &q->text);
    else if (status == TUFF_OK)
        status = no_memory(a);
    tuff_ids_fini(&ids);
    return status;
}

enum tuff_status cli_answers_open(struct cli_answers *a, struct tuff_store *store,
                                  struct tuff_model *model)
{
    int64_t positions = tuff_model_positions(tuff_model_get_config(model)), longest = 0;
    for (size_t i = 0; i < a->questions.n; i++)
        longest = TUFF_MAX(longest, (int64_t) a->questions.items[i].prompt.n);
    int64_t context = (int64_t) tuff_align_up((uint64_t) (longest + a->max_new_tokens), 64);
    if (positions > 0)
        context = TUFF_MIN(context, positions);
    a->context = context;
    if (!a->questions.n)
        return TUFF_OK;
    return tuff_generator_create(
        a->ctx,
        &(struct tuff_generator_params) {
            .store = store, .model = model, .context = context,
            .sequences = TUFF_MIN((int64_t) a->questions.n, AT_ONCE)},
        &a->generator);
}

void cli_answers_close(struct cli_answers *a)
{
    tuff_generator_destroy(a->generator);
    a->generator = NULL;
}

struct asking {
    struct tuff_ids ids[AT_ONCE];
    bool failed;
};

static bool on_token(void *user, size_t sequence, uint32_t token)
{
    struct asking *asking = user;
    uint32_t *slot = TUFF_PUSH(&asking->ids[sequence]);
    if (slot)
        *slot = token;
    asking->failed |= !slot;
    return slot != NULL;
}

static enum tuff_status ask_group(struct cli_answers *a, size_t first, size_t n, int when)
{
    struct asking asking = {0};
    struct tuff_prompt prompts[AT_ONCE] = {0};
    uint32_t ends[AT_ONCE][2];
    for (size_t i = 0; i < n; i++) {
        struct cli_question *q = &a->questions.items[first + i];
        size_t n_ends = 0;
        if (a->end_token >= 0)
            ends[i][n_ends++] = (uint32_t) a->end_token;
        if (q->end != UINT32_MAX && (int64_t) q->end != a->end_token)
            ends[i][n_ends++] = q->end;
        prompts[i] = (struct tuff_prompt) {
            .ids = q->prompt.items, .n = q->prompt.n, .max_new_tokens = a->max_new_tokens,
            .sampling = {.greedy = true, .end_ids = ends[i], .n_end_ids = n_ends}};
    }
    enum tuff_status status = tuff_generate(a->generator, prompts, n, on_token, &asking);
    if (status == TUFF_OK && asking.failed)
        status = no_memory(a);
    for (size_t i = 0; i < n; i++) {
        if (status == TUFF_OK)
            status = decode(a, asking.ids[i].items, asking.ids[i].n,
                            &a->questions.items[first + i].answers[when]);
        tuff_ids_fini(&asking.ids[i]);
    }
    return status;
}

enum tuff_status cli_answers_ask(struct cli_answers *a, size_t n, int when)
{
    n = a->generator ? TUFF_MIN(n, a->questions.n) : 0;
    for (size_t i = 0; i < n; i += AT_ONCE)
        TUFF_TRY(ask_group(a, i, TUFF_MIN(n - i, AT_ONCE), when));
    return TUFF_OK;
}

size_t cli_answers_right(const struct cli_answers *a, int when, size_t *known)
{
    size_t right = 0;
    *known = 0;
    for (size_t i = 0; i < a->questions.n; i++) {
        const struct cli_question *q = &a->questions.items[i];
        if (!q->expected || !q->answers[when])
            continue;
        ++*known;
        right += !strcmp(q->expected, q->answers[when]);
    }
    return right;
}

enum tuff_status cli_answers_keep(const struct cli_answers *a, size_t n, int when, const char *run,
                                  int64_t step)
{
    for (size_t i = 0; i < n && i < a->questions.n; i++) {
        const struct cli_question *q = &a->questions.items[i];
        if (q->answers[when])
            TUFF_TRY(tuff_fit_add_sample(a->ctx, run, step, q->text, q->answers[when]));
    }
    return TUFF_OK;
}

void cli_answers_fini(struct cli_answers *a)
{
    for (size_t i = 0; i < a->questions.n; i++) {
        struct cli_question *q = &a->questions.items[i];
        tuff_ids_fini(&q->prompt);
        free(q->text);
        free(q->expected);
        free(q->answers[0]);
        free(q->answers[1]);
    }
    free(a->questions.items);
}

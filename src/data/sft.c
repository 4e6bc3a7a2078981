/* data/sft: records to examples, by way of a chat template; see tuff/sft.h. */
#include "tuff/sft.h"
#include "data/chat_form.h"
#include "data/corpus.h"
#include "data/record.h"

#define AT_ONCE 1024 /* conversations that are encoded together, on all cores */

struct conversation {
    char where[304], *text;
    struct { struct tuff_span *items; size_t n, cap; } answers; /* bytes of text */
};
struct loading {
    struct tuff_ctx *ctx;
    const struct tuff_sft_params *params;
    struct tuff_examples *examples;
    struct tuff_sft_report *report;
    struct tuff_chat_form form;
    struct tuff_record_fields fields;
    struct { struct conversation *items; size_t n, cap; } waiting;
};

static enum tuff_status no_memory(struct loading *l)
{
    return tuff_fail(l->ctx, TUFF_E_NOMEM, "instruction data: out of host memory");
}

/* ---- the text, and where its answers are ---- */

static enum tuff_status render(struct loading *l, const json_t *messages, size_t n, bool prompt,
                               char **text)
{
    json_t *first = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append(first, json_array_get(messages, i));
    enum tuff_status status =
        first ? tuff_chat_form_render(l->ctx, &l->form, first, prompt, text) : no_memory(l);
    json_decref(first);
    return status;
}

/* Writes messages[0..i) as for an answer, and messages[0..i]: the answer's text is the difference. */
static enum tuff_status find_answer(struct loading *l, struct conversation *c,
                                    const json_t *messages, size_t i)
{
    char *before = NULL, *after = NULL;
    enum tuff_status status = render(l, messages, i, true, &before);
    if (status == TUFF_OK)
        status = render(l, messages, i + 1, false, &after);
    size_t n = before ? strlen(before) : 0, m = after ? strlen(after) : 0;
    if (status == TUFF_OK && (n >= m || memcmp(before, after, n) || m > strlen(c->text) ||
                              memcmp(after, c->text, m)))
        status = tuff_fail(l->ctx, TUFF_E_FORMAT, "%s: %s writes the beginning of a conversation "
                           "in another way once an answer follows: where answer %zu begins cannot "
                           "be told", c->where, l->form.source, i);
    struct tuff_span *span = status == TUFF_OK ? TUFF_PUSH(&c->answers) : NULL;
    if (span)
        *span = (struct tuff_span) {(uint32_t) n, (uint32_t) m};
    else if (status == TUFF_OK)
        status = no_memory(l);
    free(before);
    free(after);
    return status;
}

static enum tuff_status write_conversation(struct loading *l, struct conversation *c,
                                           const json_t *messages)
{
    size_t i;
    const json_t *one;
    TUFF_TRY(render(l, messages, json_array_size(messages), false, &c->text));
    if (strlen(c->text) >= UINT32_MAX / 2)
        return tuff_fail(l->ctx, TUFF_E_RANGE, "%s: a text of 2 GiB", c->where);
    json_array_foreach(messages, i, one)
        if (!strcmp(json_string_value(json_object_get(one, "role")), "assistant"))
            TUFF_TRY(find_answer(l, c, messages, i));
    return TUFF_OK;
}

/* ---- tokens ---- */

/* Marks the tokens of a span. What the template writes behind the token that ends the answer (a
 * newline) is its own, not the answer's. */
static uint64_t mark(const struct loading *l, const struct tuff_encoding *e,
                     const struct tuff_span *span, uint8_t *counts, size_t n)
{
    size_t last = SIZE_MAX;
    uint64_t bytes = 0, end = span->begin; /* tokens may be parts of one character */
    for (size_t i = 0; i < n; i++)
        if (e->offsets[i].end > span->begin && e->offsets[i].begin < span->end) {
            counts[i] = 1;
            if (tuff_tokenizer_is_special(l->params->tokenizer, e->ids[i]))
                last = i;
        }
    for (size_t i = 0; i < n; i++) {
        if (i > last && e->offsets[i].begin < span->end)
            counts[i] = 0;
        if (counts[i] && e->offsets[i].end > end && e->offsets[i].begin < span->end) {
            bytes += e->offsets[i].end - TUFF_MAX(e->offsets[i].begin, end);
            end = e->offsets[i].end;
        }
    }
    return bytes;
}

static void note_first(char *to, size_t size, const char *where, const char *rest)
{
    if (!*to)
        snprintf(to, size, "%.100s%s", where, rest);
}

static enum tuff_status add_example(struct loading *l, const struct conversation *c,
                                    const struct tuff_encoding *e)
{
    struct tuff_sft_report *r = l->report;
    size_t n = e->n, most = (size_t) l->params->context + 1, counted = 0;
    char tokens[40];
    if (n > most) {
        r->longer++;
        snprintf(tokens, sizeof tokens, ", %zu tokens", n);
        note_first(r->first_longer, sizeof r->first_longer, c->where, tokens);
        if (!l->params->cut)
            return TUFF_OK;
        n = most;
    }
    uint8_t *counts = tuff_calloc(TUFF_MAX(n, 1), 1);
    uint64_t bytes = 0;
    if (!counts)
        return no_memory(l);
    for (size_t i = 0; i < c->answers.n; i++)
        bytes += mark(l, e, &c->answers.items[i], counts, n);
    for (size_t i = 1; i < n; i++)
        counted += counts[i];
    enum tuff_status status = TUFF_OK;
    if (counted) {
        status = tuff_examples_add(l->examples, e->ids, counts, n, bytes);
        r->used++;
        r->tokens += n;
        r->counted += counted;
    } else {
        r->empty++;
        note_first(r->first_empty, sizeof r->first_empty, c->where, "");
    }
    free(counts);
    return status;
}

static void drop(struct loading *l)
{
    for (size_t i = 0; i < l->waiting.n; i++) {
        free(l->waiting.items[i].text);
        free(l->waiting.items[i].answers.items);
    }
    l->waiting.n = 0;
}

static enum tuff_status encode(struct loading *l)
{
    size_t n = l->waiting.n;
    struct tuff_input *inputs = tuff_calloc(TUFF_MAX(n, 1), sizeof *inputs);
    struct tuff_encoding *encodings = tuff_calloc(TUFF_MAX(n, 1), sizeof *encodings);
    const struct tuff_encode_params params = {.flags = TUFF_ENCODE_NO_TRUNCATION |
                                                       TUFF_ENCODE_NO_PADDING};
    enum tuff_status status = inputs && encodings ? TUFF_OK : no_memory(l);
    for (size_t i = 0; i < n && status == TUFF_OK; i++)
        inputs[i] = (struct tuff_input) {.text = l->waiting.items[i].text,
                                         .n_bytes = strlen(l->waiting.items[i].text)};
    if (status == TUFF_OK)
        status = tuff_tokenizer_encode_batch(l->ctx, l->params->tokenizer, &params, inputs, n, 0,
                                             encodings);
    for (size_t i = 0; i < n && encodings; i++) {
        if (status == TUFF_OK)
            status = add_example(l, &l->waiting.items[i], &encodings[i]);
        tuff_encoding_fini(&encodings[i]);
    }
    drop(l);
    free(inputs);
    free(encodings);
    return status;
}

static enum tuff_status take(void *user, const char *where, const json_t *record)
{
    struct loading *l = user;
    json_t *messages = tuff_record_messages(l->ctx, where, record, &l->fields);
    if (!messages)
        return TUFF_E_FORMAT;
    enum tuff_status status = TUFF_OK;
    l->report->records++;
    if (!json_array_size(messages)) {
        l->report->empty++;
        note_first(l->report->first_empty, sizeof l->report->first_empty, where, "");
    } else {
        struct conversation *c = TUFF_PUSH(&l->waiting);
        if (c) {
            snprintf(c->where, sizeof c->where, "%s", where);
            status = write_conversation(l, c, messages);
        } else {
            status = no_memory(l);
        }
    }
    json_decref(messages);
    return status == TUFF_OK && l->waiting.n == AT_ONCE ? encode(l) : status;
}

/* ---- all ---- */

static enum tuff_status open_form(struct tuff_ctx *ctx, const struct tuff_sft_params *p,
                                  struct tuff_chat_form *form)
{
    const char *end = p->end_token >= 0 && p->end_token < UINT32_MAX
                          ? tuff_tokenizer_token_text(p->tokenizer, (uint32_t) p->end_token)
                          : NULL;
    TUFF_TRY(tuff_chat_form_load(ctx, p->model, p->template_file, form));
    return tuff_chat_form_complete(ctx, end, form);
}

enum tuff_status tuff_sft_load(struct tuff_ctx *ctx, const struct tuff_sft_params *params,
                               struct tuff_examples *examples, struct tuff_sft_report *report)
{
    struct loading l = {.ctx = ctx, .params = params, .examples = examples, .report = report};
    *report = (struct tuff_sft_report) {0};
    struct tuff_corpus files = {0};
    enum tuff_status status = open_form(ctx, params, &l.form);
    snprintf(report->form, sizeof report->form, "%s", l.form.source ? l.form.source : "");
    if (status == TUFF_OK)
        status = tuff_record_fields_parse(ctx, params->fields, &l.fields);
    if (status == TUFF_OK)
        status = tuff_corpus_find(ctx, params->data, params->n_data, TUFF_FILE_RECORDS, &files);
    for (size_t i = 0; i < files.n && status == TUFF_OK; i++) {
        status = tuff_records_read(ctx, files.paths[i], take, &l);
        if (status == TUFF_OK)
            status = encode(&l);
    }
    tuff_corpus_fini(&files);
    tuff_record_fields_free(&l.fields);
    if (status == TUFF_OK && !report->used)
        status = tuff_fail(ctx, TUFF_E_ARG, "%s: no example to learn from: of %zu records %zu have "
                           "no answer, %zu are longer than %lld tokens",
                           params->n_data ? params->data[0] : "data", report->records,
                           report->empty, report->longer, (long long) params->context);
    drop(&l);
    free(l.waiting.items);
    tuff_chat_form_free(&l.form);
    return status;
}

enum tuff_status tuff_sft_prompt(struct tuff_ctx *ctx, const struct tuff_sft_params *params,
                                 const char *user, char **text)
{
    struct tuff_chat_form form = {0};
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", user);
    *text = NULL;
    enum tuff_status status =
        messages ? open_form(ctx, params, &form)
                 : tuff_fail(ctx, TUFF_E_ARG, "a prompt must be UTF-8 text");
    if (status == TUFF_OK)
        status = tuff_chat_form_render(ctx, &form, messages, true, text);
    tuff_chat_form_free(&form);
    json_decref(messages);
    return status;
}

enum tuff_status tuff_sft_save_form(struct tuff_ctx *ctx, const struct tuff_sft_params *params,
                                    const char *folder)
{
    struct tuff_chat_form form = {0};
    enum tuff_status status = open_form(ctx, params, &form);
    if (status == TUFF_OK)
        status = tuff_chat_form_save(ctx, &form, folder);
    tuff_chat_form_free(&form);
    return status;
}

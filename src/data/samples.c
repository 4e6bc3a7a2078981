/* data/samples: records of a dataset, encoded, with labels; see tuff/data_loader.h. */
#include "data/samples.h"
#include "base/hash.h"

#define AT_ONCE 1024 /* records that are encoded together, on all cores */

struct loading {
    struct tuff_ctx *ctx;
    const struct tuff_samples_params *params;
    struct tuff_samples *to;
    struct tuff_samples_report *report;
    struct tuff_record records[AT_ONCE];
    struct tuff_input inputs[AT_ONCE];
    struct tuff_text texts[AT_ONCE]; /* words of TOKENS, joined */
    size_t n;
};

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "samples: out of host memory");
}

/* ---- labels ---- */

static enum tuff_status label_of(struct loading *l, const char *where, const char *name,
                                 uint32_t *label)
{
    const struct tuff_samples_params *p = l->params;
    for (size_t i = 0; i < p->n_labels; i++)
        if (!strcmp(name, p->labels[i])) {
            *label = (uint32_t) i;
            return TUFF_OK;
        }
    struct tuff_text list = {0};
    for (size_t i = 0; i < p->n_labels && i < 20; i++)
        tuff_text_printf(&list, "%s%s", i ? ", " : "", p->labels[i]);
    enum tuff_status status =
        tuff_fail(l->ctx, TUFF_E_FORMAT, "%s: label \"%.60s\" is none of %.200s%s", where, name,
                  list.s ? list.s : "none", p->n_labels > 20 ? ", ..." : "");
    tuff_text_fini(&list);
    return status;
}

/* The k-th word of a value, *n bytes; NULL behind the last. */
static const char *word(const struct tuff_value *v, size_t k, size_t *n)
{
    if (!v->text) {
        *n = k < v->n_items ? strlen(v->items[k]) : 0;
        return k < v->n_items ? v->items[k] : NULL;
    }
    const char *at = v->text;
    for (;; k--) {
        at += strspn(at, " ");
        *n = strcspn(at, " ");
        if (!*n || !k)
            return *n ? at : NULL;
        at += *n;
    }
}

/* ---- one sample ---- */

static bool add(struct tuff_samples *s, const struct tuff_encoding *e, size_t n)
{
    if (!tuff_grow((void **) &s->ids.items, &s->ids.cap, s->ids.n + n, sizeof *s->ids.items) ||
        !tuff_grow((void **) &s->labels.items, &s->labels.cap, s->ids.n + n,
                   sizeof *s->labels.items) ||
        !tuff_grow((void **) &s->marks.items, &s->marks.cap, s->ids.n + n, 1))
        return false;
    struct sample_entry *entry = TUFF_PUSH(&s->entries);
    if (!entry)
        return false;
    *entry = (struct sample_entry) {s->ids.n, n, TUFF_TARGET_IGNORE};
    for (size_t i = 0; i < n; i++) {
        bool inner = i && e->words[i] != TUFF_NO_WORD && e->words[i] == e->words[i - 1] &&
                     e->sequences[i] == e->sequences[i - 1];
        s->ids.items[s->ids.n + i] = e->ids[i];
        s->labels.items[s->ids.n + i] = TUFF_TARGET_IGNORE;
        s->marks.items[s->ids.n + i] = (uint8_t) ((e->type_ids[i] ? SAMPLE_SECOND : 0) |
                                                  (e->special_mask[i] ? SAMPLE_SPECIAL : 0) |
                                                  (inner ? SAMPLE_INNER : 0));
    }
    s->ids.n += n;
    s->longest = TUFF_MAX(s->longest, n);
    return true;
}

/* Word k of the joined text begins where the ones before end, a space each. */
static enum tuff_status label_words(struct loading *l, const struct tuff_record *r,
                                    const struct tuff_encoding *e)
{
    const struct tuff_value *words = &r->values[l->params->text], *tags = &r->values[l->params->label];
    struct tuff_samples *s = l->to;
    uint32_t *to = s->labels.items + s->entries.items[s->entries.n - 1].first;
    size_t count = s->entries.items[s->entries.n - 1].n, begin = 0, token = 0, n;
    for (size_t k = 0; word(words, k, &n); k++) {
        size_t end = begin + n, m;
        const char *tag = word(tags, k, &m);
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int) m, tag ? tag : "");
        uint32_t label;
        if (!tag)
            return tuff_fail(l->ctx, TUFF_E_FORMAT, "%s: more words than labels (%zu)", r->where, k);
        TUFF_TRY(label_of(l, r->where, name, &label));
        while (token < count && (e->special_mask[token] || e->offsets[token].end <= begin))
            token++;
        if (token < count && e->offsets[token].begin < end)
            to[token] = label;
        begin = end + 1;
        if (!word(words, k + 1, &n) && word(tags, k + 1, &m))
            return tuff_fail(l->ctx, TUFF_E_FORMAT, "%s: more labels than words (%zu)", r->where,
                             k + 1);
    }
    return TUFF_OK;
}

static void note_first(char to[160], const char *where)
{
    if (!*to)
        snprintf(to, 160, "%.150s", where);
}

static enum tuff_status add_record(struct loading *l, size_t i, const struct tuff_encoding *e)
{
    const struct tuff_samples_params *p = l->params;
    const struct tuff_record *r = &l->records[i];
    struct tuff_samples *s = l->to;
    if (e->n_overflow) {
        l->report->longer++;
        note_first(l->report->first_longer, r->where);
    }
    size_t parts = p->kind == TUFF_SAMPLE_MASKED ? 1 + e->n_overflow : 1;
    for (size_t k = 0; k < parts; k++) {
        const struct tuff_encoding *part = k ? &e->overflow[k - 1] : e;
        if (!add(s, part, part->n))
            return no_memory(l->ctx);
        l->report->tokens += part->n;
    }
    l->report->used++;
    if (p->kind == TUFF_SAMPLE_TOKENS)
        return label_words(l, r, e);
    if (p->kind == TUFF_SAMPLE_SEQUENCE)
        return label_of(l, r->where, r->values[p->label].text,
                        &s->entries.items[s->entries.n - 1].label);
    return TUFF_OK;
}

/* ---- all ---- */

static enum tuff_status encode(struct loading *l)
{
    struct tuff_encoding *e = tuff_calloc(AT_ONCE, sizeof *e);
    const struct tuff_truncation cut = {.max_length = l->params->context};
    const struct tuff_encode_params params = {.flags = TUFF_ENCODE_ADD_SPECIAL | TUFF_ENCODE_NO_PADDING,
                                              .truncation = &cut};
    enum tuff_status status =
        e ? tuff_tokenizer_encode_batch(l->ctx, l->params->tokenizer, &params, l->inputs, l->n, 0, e)
          : no_memory(l->ctx);
    for (size_t i = 0; i < l->n; i++) {
        if (status == TUFF_OK)
            status = add_record(l, i, &e[i]);
        if (e)
            tuff_encoding_fini(&e[i]);
        tuff_text_fini(&l->texts[i]);
        tuff_record_fini(&l->records[i]);
    }
    l->n = 0;
    free(e);
    return status;
}

static bool is_empty(const char *text)
{
    return !text || !text[strspn(text, " \t\r\n")];
}

/* The record's text, or nothing: it is left out. */
static enum tuff_status take(struct loading *l, struct tuff_record *r)
{
    const struct tuff_samples_params *p = l->params;
    const struct tuff_value *text = &r->values[p->text];
    struct tuff_text *joined = &l->texts[l->n];
    const char *label = p->label < SIZE_MAX ? r->values[p->label].text : NULL;
    const char *pair = p->pair < SIZE_MAX ? r->values[p->pair].text : NULL;
    size_t n;
    *joined = (struct tuff_text) {0};
    for (size_t k = 0; p->kind == TUFF_SAMPLE_TOKENS && word(text, k, &n); k++)
        tuff_text_printf(joined, "%s%.*s", k ? " " : "", (int) n, word(text, k, &n));
    if (joined->failed)
        return no_memory(l->ctx);
    const char *all = p->kind == TUFF_SAMPLE_TOKENS ? joined->s : text->text;
    if (is_empty(all)) {
        l->report->empty++;
        note_first(l->report->first_empty, r->where);
        tuff_text_fini(joined);
        tuff_record_fini(r);
        return TUFF_OK;
    }
    if (p->kind == TUFF_SAMPLE_SEQUENCE && is_empty(label))
        return tuff_fail(l->ctx, TUFF_E_FORMAT, "%s: no label", r->where);
    l->inputs[l->n] = (struct tuff_input) {.text = all, .n_bytes = strlen(all), .pair = pair,
                                           .n_pair_bytes = pair ? strlen(pair) : 0};
    l->n++;
    return l->n == AT_ONCE ? encode(l) : TUFF_OK;
}

static enum tuff_status load(struct loading *l)
{
    const struct tuff_samples_params *p = l->params;
    for (size_t i = 0; i < tuff_dataset_count(p->data); i++) {
        struct tuff_record *r = &l->records[l->n];
        TUFF_TRY(tuff_dataset_get(l->ctx, p->data, i, r));
        l->report->records++;
        enum tuff_status status = take(l, r);
        if (status != TUFF_OK && l->n < AT_ONCE && r == &l->records[l->n])
            tuff_record_fini(r);
        TUFF_TRY(status);
    }
    TUFF_TRY(encode(l));
    if (!l->to->entries.n)
        return tuff_fail(l->ctx, TUFF_E_ARG, "the data has no text: %zu records, all of them empty",
                         l->report->records);
    return l->to->entries.n < UINT32_MAX ? TUFF_OK
                                         : tuff_fail(l->ctx, TUFF_E_RANGE, "2^32 samples and more");
}

enum tuff_status tuff_samples_load(struct tuff_ctx *ctx, const struct tuff_samples_params *params,
                                   struct tuff_samples **out, struct tuff_samples_report *report)
{
    struct loading *l = tuff_calloc(1, sizeof *l);
    *report = (struct tuff_samples_report) {0};
    *out = NULL;
    if (!l || !(*out = tuff_calloc(1, sizeof **out))) {
        free(l);
        return no_memory(ctx);
    }
    l->ctx = ctx;
    l->params = params;
    l->to = *out;
    l->report = report;
    l->to->kind = params->kind;
    enum tuff_status status = load(l);
    for (size_t i = 0; i < l->n; i++) {
        tuff_text_fini(&l->texts[i]);
        tuff_record_fini(&l->records[i]);
    }
    free(l);
    if (status != TUFF_OK) {
        tuff_samples_destroy(*out);
        *out = NULL;
    }
    return status;
}

void tuff_samples_destroy(struct tuff_samples *s)
{
    if (!s)
        return;
    free(s->ids.items);
    free(s->labels.items);
    free(s->marks.items);
    free(s->entries.items);
    free(s);
}

size_t tuff_samples_count(const struct tuff_samples *s)
{
    return s->entries.n;
}

size_t tuff_samples_longest(const struct tuff_samples *s)
{
    return s->longest;
}

uint64_t tuff_samples_checksum(const struct tuff_samples *s)
{
    uint64_t hash = tuff_hash(s->ids.items, s->ids.n * sizeof *s->ids.items, 0);
    hash = tuff_hash(s->labels.items, s->ids.n * sizeof *s->labels.items, hash);
    for (size_t i = 0; i < s->entries.n; i++) {
        const uint64_t one[] = {s->entries.items[i].n, s->entries.items[i].label};
        hash = tuff_hash(one, sizeof one, hash);
    }
    return hash;
}

/* generate/beam: beam search and beam-sample, step by step as transformers does it: the best
 * continuations of all beams are split into running ones and finished ones. Scores are floats, as
 * its are, so that ties fall alike. */
#include "generate/engine.h"
#include "generate/sample.h"

#include <math.h>

#define NEVER (-1e9f) /* the score of beams that are not there yet */

/* Ids, with the prompt, and a score. */
struct beam {
    uint32_t *ids;
    float score;
    size_t n;
    bool finished;
};
struct candidate {
    float score;
    double key; /* what it is chosen by: the score, or with noise when sampling */
    size_t beam;
    uint32_t id;
    bool ends;
};

struct search {
    const struct tuff_prompt *prompt;
    struct beam *running, *finished, *spare; /* num_beams each; spare: of what the next step is made */
    struct tuff_track **tracks, **spare_tracks; /* of the running beams */
    struct candidate *candidates;
    float *scores; /* [num_beams, vocab] */
    size_t keep;   /* candidates a step */
    size_t n;      /* ids of a running beam */
    bool promising, over;
};

struct call {
    struct tuff_generator *gen;
    const struct tuff_beam_params *params;
    size_t n, beams;
    struct search *list;
    struct tuff_track *tracks; /* 2 num_beams a search */
    tuff_token_fn on_token;
    void *user;
};

static enum tuff_status no_memory(const struct call *c)
{
    return tuff_fail(c->gen->ctx, TUFF_E_NOMEM, "beam search: out of host memory");
}

/* ---- one step of one search ---- */

/* Log-probabilities after the processors, each beam's score added. */
static enum tuff_status score(struct call *c, struct search *s, size_t beam, const float *logits)
{
    size_t v = (size_t) c->gen->vocab;
    float *values = s->scores + beam * v;
    const struct tuff_sampling *o = &s->prompt->sampling;
    struct tuff_scores scores = {.ctx = c->gen->ctx, .values = values, .v = v,
                                 .ids = s->running[beam].ids, .n = s->n, .n_prompt = s->prompt->n};
    memcpy(values, logits, v * sizeof *values);
    TUFF_TRY(tuff_proc_log_softmax(&scores));
    TUFF_TRY(tuff_process(&scores, o, o->n_end_ids ? o->n_end_ids + 1 : 2));
    for (size_t i = 0; i < v; i++)
        values[i] = isnan(values[i]) ? -INFINITY : values[i] + s->running[beam].score;
    return TUFF_OK;
}

/* Gumbel noise on log-probabilities makes the largest ones a draw without replacement (Kool et al.
 * 2019, arXiv:1903.06059). */
static double noise(const struct search *s, size_t beam, size_t v, size_t id)
{
    double u = tuff_draw(s->prompt->sampling.seed, s->n, (uint32_t) (1 + beam * v + id));
    return -log(-log(u + 0x1p-54));
}

/* The `keep` continuations with the largest keys, the first among equals; best score first. */
static void best_candidates(const struct call *c, struct search *s)
{
    size_t v = (size_t) c->gen->vocab, n = 0;
    bool sample = !s->prompt->sampling.greedy;
    for (size_t i = 0; i < c->beams * v; i++) {
        float value = s->scores[i];
        if (n == s->keep && !sample && !((double) value > s->candidates[n - 1].key))
            continue;
        double key = (double) value;
        if (sample && value > -INFINITY)
            key += noise(s, i / v, v, i % v);
        if (n == s->keep && !(key > s->candidates[n - 1].key))
            continue;
        size_t at = n < s->keep ? n++ : n - 1;
        for (; at && s->candidates[at - 1].key < key; at--)
            s->candidates[at] = s->candidates[at - 1];
        s->candidates[at] = (struct candidate) {value, key, i / v, (uint32_t) (i % v), false};
    }
    for (size_t i = 1; sample && i < n; i++) { /* by score again */
        struct candidate one = s->candidates[i];
        size_t at = i;
        for (; at && s->candidates[at - 1].score < one.score; at--)
            s->candidates[at] = s->candidates[at - 1];
        s->candidates[at] = one;
    }
}

static void copy_ids(struct beam *to, const struct search *s, const struct candidate *from)
{
    memcpy(to->ids, s->running[from->beam].ids, s->n * sizeof *to->ids);
    to->ids[s->n] = from->id;
    to->n = s->n + 1;
}

/* Which candidates are over with their last id. */
static void find_ends(const struct call *c, struct search *s)
{
    struct beam *probe = &s->spare[0];
    int64_t made = (int64_t) (s->n + 1 - s->prompt->n);
    bool full = made >= s->prompt->max_new_tokens || s->n >= (size_t) c->gen->context;
    for (size_t i = 0; i < s->keep; i++) {
        copy_ids(probe, s, &s->candidates[i]);
        s->candidates[i].ends = full || tuff_ends(s->prompt, probe->ids, probe->n);
    }
}

static double penalty(const struct call *c, double tokens)
{
    return pow(tokens, c->params->length_penalty);
}

static bool all_finished(const struct call *c, const struct search *s)
{
    bool all = true;
    for (size_t i = 0; i < c->beams; i++)
        all &= s->finished[i].finished;
    return all;
}

static void insert_finished(const struct call *c, struct search *s, const struct candidate *from,
                            float value)
{
    size_t at = c->beams;
    while (at && s->finished[at - 1].score < value)
        at--;
    if (at == c->beams)
        return;
    struct beam last = s->finished[c->beams - 1];
    for (size_t i = c->beams - 1; i > at; i--)
        s->finished[i] = s->finished[i - 1];
    s->finished[at] = last;
    copy_ids(&s->finished[at], s, from);
    s->finished[at].score = value;
    s->finished[at].finished = true;
}

/* Only the best num_beams candidates may finish. */
static void update_finished(const struct call *c, struct search *s)
{
    bool full = all_finished(c, s) && c->params->early_stopping == TUFF_EARLY_STOPPING_TRUE;
    double scale = penalty(c, (double) (s->n + 1 - s->prompt->n));
    for (size_t i = 0; i < c->beams && s->promising && !full; i++)
        if (s->candidates[i].ends)
            insert_finished(c, s, &s->candidates[i],
                            (float) ((double) s->candidates[i].score / scale));
}

/* The best candidates that go on become the running beams, with their parents' tracks. Where too
 * few go on, ended ones stand in with a score that never wins. */
static void update_running(struct call *c, struct search *s)
{
    size_t made = 0;
    for (int ended = 0; ended < 2; ended++)
        for (size_t i = 0; i < s->keep && made < c->beams; i++) {
            const struct candidate *from = &s->candidates[i];
            if (from->ends != (ended == 1))
                continue;
            copy_ids(&s->spare[made], s, from);
            s->spare[made].score = ended ? from->score + NEVER : from->score;
            tuff_track_share(c->gen, s->spare_tracks[made++], s->tracks[from->beam]);
        }
    for (size_t i = 0; i < c->beams; i++)
        tuff_track_cut(c->gen, s->tracks[i], 0);
    struct beam *beams = s->running;
    s->running = s->spare;
    s->spare = beams;
    struct tuff_track **tracks = s->tracks;
    s->tracks = s->spare_tracks;
    s->spare_tracks = tracks;
    s->n++;
}

/* Whether a running beam could still get among the finished ones. */
static void look_ahead(const struct call *c, struct search *s)
{
    double tokens = (double) (s->n - s->prompt->n);
    if (c->params->early_stopping == TUFF_EARLY_STOPPING_NEVER && c->params->length_penalty > 0)
        tokens = (double) s->prompt->max_new_tokens;
    float best = (float) ((double) s->running[0].score / penalty(c, tokens));
    float worst = s->finished[c->beams - 1].score;
    bool could = false;
    for (size_t i = 0; i < c->beams; i++)
        could |= best > (s->finished[i].finished ? worst : NEVER);
    s->promising &= could;
}

static void step(struct call *c, struct search *s)
{
    bool all_end = true;
    best_candidates(c, s);
    find_ends(c, s);
    for (size_t i = 0; i < s->keep; i++)
        all_end &= s->candidates[i].ends;
    update_finished(c, s);
    update_running(c, s);
    look_ahead(c, s);
    bool full = all_finished(c, s) && c->params->early_stopping == TUFF_EARLY_STOPPING_TRUE;
    s->over = !s->promising || full || all_end;
    if (c->on_token &&
        !c->on_token(c->user, (size_t) (s - c->list), s->running[0].ids[s->n - 1]))
        s->over = true;
}

/* ---- all searches ---- */

/* The first token of all beams, from the logits behind the prompt in the first beam's track. */
static enum tuff_status start_beams(struct call *c, struct search *s, const float *logits)
{
    for (size_t b = 0; b < c->beams; b++) {
        TUFF_TRY(score(c, s, b, logits));
        if (b)
            tuff_track_share(c->gen, s->tracks[b], s->tracks[0]);
    }
    step(c, s);
    return TUFF_OK;
}

static enum tuff_status run_chunks(struct call *c, struct search *s)
{
    struct tuff_feed feeds[TUFF_MOST_CHUNK];
    size_t n;
    while (!s->over && s->tracks[0]->length < s->prompt->n &&
           (n = tuff_engine_chunk(c->gen, s->tracks[0], s->prompt->ids, s->prompt->n, feeds))) {
        TUFF_TRY(tuff_engine_run_chunk(c->gen, feeds, n));
        if (feeds[n - 1].wanted)
            return start_beams(c, s, feeds[n - 1].logits);
    }
    return TUFF_OK;
}

/* Prompts go in once, into the first beam's track; all beams begin as that one. */
static enum tuff_status run_prompts(struct call *c)
{
    struct tuff_feed feeds[TUFF_PREFILL_ROWS];
    size_t owner[TUFF_PREFILL_ROWS], most, most_wanted, n;
    for (size_t i = 0; i < c->n; i++)
        TUFF_TRY(run_chunks(c, &c->list[i]));
    tuff_engine_limits(c->gen, true, &most, &most_wanted);
    do {
        size_t wanted = 0;
        n = 0;
        for (size_t i = 0; i < c->n; i++) {
            struct search *s = &c->list[i];
            for (size_t at = s->tracks[0]->length;
                 !s->over && at < s->prompt->n && n < most && wanted < most_wanted; at++) {
                feeds[n] = (struct tuff_feed) {s->tracks[0], s->prompt->ids[at],
                                               at + 1 == s->prompt->n, NULL};
                wanted += feeds[n].wanted;
                owner[n++] = i;
            }
        }
        TUFF_TRY(tuff_engine_run(c->gen, feeds, n, true));
        for (size_t i = 0; i < n; i++)
            if (feeds[i].wanted)
                TUFF_TRY(start_beams(c, &c->list[owner[i]], feeds[i].logits));
    } while (n);
    return TUFF_OK;
}

/* One token of each running beam, in runs of as many as fit. */
static enum tuff_status run_beams(struct call *c, bool *idle)
{
    struct tuff_feed feeds[TUFF_PREFILL_ROWS];
    size_t most, most_wanted, rows = c->n * c->beams, n = 0;
    size_t owner[TUFF_PREFILL_ROWS];
    tuff_engine_limits(c->gen, false, &most, &most_wanted);
    *idle = true;
    for (size_t row = 0; row < rows; row++) {
        struct search *s = &c->list[row / c->beams];
        size_t beam = row % c->beams;
        if (!s->over) {
            feeds[n] = (struct tuff_feed) {s->tracks[beam], s->running[beam].ids[s->n - 1], true,
                                           NULL};
            owner[n++] = row;
        }
        if (n < most && row + 1 < rows)
            continue;
        TUFF_TRY(tuff_engine_run(c->gen, feeds, n, false));
        for (size_t i = 0; i < n; i++)
            TUFF_TRY(score(c, &c->list[owner[i] / c->beams], owner[i] % c->beams, feeds[i].logits));
        n = 0;
    }
    for (size_t i = 0; i < c->n; i++)
        if (!c->list[i].over) {
            *idle = false;
            step(c, &c->list[i]);
        }
    return TUFF_OK;
}

static enum tuff_status begin_search(struct call *c, struct search *s,
                                     const struct tuff_prompt *prompt, struct tuff_track *tracks)
{
    size_t room = (size_t) c->gen->context + 1, n_end = prompt->sampling.n_end_ids;
    s->prompt = prompt;
    s->n = prompt->n;
    s->keep = TUFF_MIN(TUFF_MAX(2, 1 + n_end) * c->beams, c->beams * (size_t) c->gen->vocab);
    s->promising = true;
    s->over = prompt->max_new_tokens < 1;
    s->running = tuff_calloc(3 * c->beams, sizeof *s->running);
    s->tracks = tuff_calloc(2 * c->beams, sizeof *s->tracks);
    s->candidates = tuff_calloc(s->keep, sizeof *s->candidates);
    s->scores = tuff_calloc(c->beams * (size_t) c->gen->vocab, sizeof *s->scores);
    if (!s->running || !s->tracks || !s->candidates || !s->scores)
        return no_memory(c);
    s->finished = s->running + c->beams;
    s->spare = s->running + 2 * c->beams;
    s->spare_tracks = s->tracks + c->beams;
    for (size_t i = 0; i < 3 * c->beams; i++) {
        struct beam *b = &s->running[i];
        if (!(b->ids = tuff_calloc(room, sizeof *b->ids)))
            return no_memory(c);
        memcpy(b->ids, prompt->ids, prompt->n * sizeof *b->ids);
        b->n = prompt->n;
        b->score = i ? NEVER : 0;
    }
    for (size_t i = 0; i < 2 * c->beams; i++)
        s->tracks[i] = &tracks[i];
    return TUFF_OK;
}

/* The three arrays are one, whose first element the lowest pointer names. */
static void end_search(struct call *c, struct search *s)
{
    struct beam *beams = s->running < s->spare ? s->running : s->spare;
    struct tuff_track **tracks = s->tracks < s->spare_tracks ? s->tracks : s->spare_tracks;
    for (size_t i = 0; beams && i < 3 * c->beams; i++)
        free(beams[i].ids);
    free(beams);
    free(tracks);
    free(s->candidates);
    free(s->scores);
}

/* A search that was stopped has running beams only: they count as they are. */
static enum tuff_status results(struct call *c, struct search *s, size_t wanted,
                                struct tuff_hypothesis *out)
{
    double scale = penalty(c, (double) TUFF_MAX(s->n - s->prompt->n, 1));
    for (size_t i = 0; i < c->beams && s->n > s->prompt->n; i++) {
        const struct candidate as_is = {.beam = i, .id = s->running[i].ids[s->n - 1]};
        size_t n = s->n;
        if (s->finished[c->beams - 1].finished || s->running[i].score <= NEVER / 2)
            break;
        s->n = n - 1; /* copy_ids appends the last id */
        insert_finished(c, s, &as_is, (float) ((double) s->running[i].score / scale));
        s->n = n;
    }
    for (size_t i = 0; i < wanted; i++) {
        const struct beam *b = &s->finished[i];
        out[i].n = b->n - s->prompt->n;
        out[i].score = (double) b->score;
        out[i].ids = tuff_calloc(TUFF_MAX(out[i].n, 1), sizeof *out[i].ids);
        if (!out[i].ids)
            return no_memory(c);
        memcpy(out[i].ids, b->ids + s->prompt->n, out[i].n * sizeof *out[i].ids);
    }
    return TUFF_OK;
}

static enum tuff_status check(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                              size_t n, const struct tuff_beam_params *p)
{
    if (!gen->params.beams)
        return tuff_fail(gen->ctx, TUFF_E_STATE, "beam search: the generator was made without beams");
    if (p->num_beams < 1 || p->num_return_sequences < 0 || p->num_return_sequences > p->num_beams)
        return tuff_fail(gen->ctx, TUFF_E_RANGE, "num_beams %lld must be positive and "
                         "num_return_sequences %lld at most that", (long long) p->num_beams,
                         (long long) p->num_return_sequences);
    if (!isfinite(p->length_penalty))
        return tuff_fail(gen->ctx, TUFF_E_RANGE, "length_penalty must be finite");
    return tuff_engine_check(gen, prompts, n, (size_t) p->num_beams);
}

static enum tuff_status search(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                               size_t n, const struct tuff_beam_params *params,
                               tuff_token_fn on_token, void *user, struct tuff_hypothesis *out)
{
    size_t wanted = (size_t) TUFF_MAX(params->num_return_sequences, 1);
    memset(out, 0, n * wanted * sizeof *out);
    TUFF_TRY(check(gen, prompts, n, params));
    struct call c = {.gen = gen, .params = params, .n = n, .beams = (size_t) params->num_beams,
                     .on_token = on_token, .user = user};
    enum tuff_status status = TUFF_OK;
    bool idle = n == 0;
    if (n) {
        tuff_engine_reset(gen);
        c.list = tuff_calloc(n, sizeof *c.list);
        c.tracks = tuff_tracks_create(gen, 2 * n * c.beams);
        status = c.list && c.tracks ? TUFF_OK : no_memory(&c);
    }
    for (size_t i = 0; i < n && status == TUFF_OK; i++)
        status = begin_search(&c, &c.list[i], &prompts[i], c.tracks + 2 * i * c.beams);
    if (status == TUFF_OK && n)
        status = tuff_engine_begin(gen, prompts, n, c.tracks, 2 * c.beams);
    if (status == TUFF_OK && n)
        status = run_prompts(&c);
    while (status == TUFF_OK && !idle)
        status = run_beams(&c, &idle);
    for (size_t i = 0; i < n && status == TUFF_OK; i++)
        status = results(&c, &c.list[i], wanted, out + i * wanted);
    for (size_t i = 0; i < n && c.list; i++)
        end_search(&c, &c.list[i]);
    tuff_tracks_destroy(c.tracks);
    free(c.list);
    for (size_t i = 0; i < n * wanted && status != TUFF_OK; i++) {
        free(out[i].ids);
        out[i] = (struct tuff_hypothesis) {0};
    }
    return status;
}

enum tuff_status tuff_beam_search(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                                  size_t n, const struct tuff_beam_params *params,
                                  tuff_token_fn on_token, void *user, struct tuff_hypothesis *out)
{
    void *memory;
    prompts = tuff_engine_prompts(gen, prompts, n, &memory);
    enum tuff_status status =
        prompts || !n ? search(gen, prompts, n, params, on_token, user, out) : TUFF_E_NOMEM;
    free(memory);
    return status;
}

/* generate/generate: greedy search and sampling: each sequence goes its own way. */
#include "generate/engine.h"

struct sequence {
    const struct tuff_prompt *prompt;
    struct tuff_track *track;
    uint32_t *ids; /* the prompt, then what was generated */
    size_t n;
    bool done;
};

struct call {
    struct tuff_generator *gen;
    struct sequence *list;
    size_t n;
    struct tuff_track *tracks;
    uint32_t *ids;
    bool reuses; /* the generator's own track */
    tuff_token_fn on_token;
    void *user;
};

/* Chooses the next token of a sequence from its logits. */
static enum tuff_status choose(struct call *c, size_t index, const float *logits)
{
    struct tuff_generator *gen = c->gen;
    struct sequence *s = &c->list[index];
    const struct tuff_prompt *p = s->prompt;
    memcpy(gen->scores, logits, (size_t) gen->vocab * sizeof *logits);
    struct tuff_scores scores = {.ctx = gen->ctx, .values = gen->scores, .v = (size_t) gen->vocab,
                                 .ids = s->ids, .n = s->n, .n_prompt = p->n};
    TUFF_TRY(tuff_process(&scores, &p->sampling, 1));
    uint32_t id = tuff_choose(&scores, &p->sampling, s->n);
    s->ids[s->n++] = id;
    bool go_on = !c->on_token || c->on_token(c->user, index, id);
    s->done = !go_on || (int64_t) (s->n - p->n) >= p->max_new_tokens ||
              tuff_ends(p, s->ids, s->n) || s->track->length >= (size_t) gen->context;
    return TUFF_OK;
}

/* Runs the next chunk of a prompt that is long enough for one; *ran: there was one. */
static enum tuff_status step_chunk(struct call *c, bool *ran)
{
    struct tuff_feed feeds[TUFF_MOST_CHUNK];
    size_t n = 0, i = 0;
    for (; i < c->n; i++) {
        struct sequence *s = &c->list[i];
        if (!s->done && s->track->length < s->prompt->n &&
            (n = tuff_engine_chunk(c->gen, s->track, s->ids, s->prompt->n, feeds)))
            break;
    }
    *ran = n > 0;
    if (!n)
        return TUFF_OK;
    TUFF_TRY(tuff_engine_run_chunk(c->gen, feeds, n));
    return feeds[n - 1].wanted ? choose(c, i, feeds[n - 1].logits) : TUFF_OK;
}

/* One run: as many tokens as fit, of one sequence after the other; while prompts are not in yet,
 * theirs. *idle: nothing was left to do. */
static enum tuff_status step(struct call *c, bool *idle)
{
    struct tuff_feed feeds[TUFF_PREFILL_ROWS];
    size_t owner[TUFF_PREFILL_ROWS], most, most_wanted, n = 0, wanted = 0;
    bool prompt = false, ran;
    *idle = false;
    TUFF_TRY(step_chunk(c, &ran));
    if (ran)
        return TUFF_OK;
    for (size_t i = 0; i < c->n; i++)
        prompt |= !c->list[i].done && c->list[i].track->length < c->list[i].prompt->n;
    tuff_engine_limits(c->gen, prompt, &most, &most_wanted);
    /* Behind its prompt a sequence has one token that is not in the cache yet. */
    for (size_t i = 0; i < c->n; i++) {
        struct sequence *s = &c->list[i];
        size_t end = prompt ? s->prompt->n : s->n;
        for (size_t at = s->track->length; !s->done && at < end && n < most && wanted < most_wanted;
             at++) {
            feeds[n] = (struct tuff_feed) {s->track, s->ids[at], at + 1 == s->n, NULL};
            wanted += feeds[n].wanted;
            owner[n++] = i;
        }
    }
    *idle = n == 0;
    TUFF_TRY(tuff_engine_run(c->gen, feeds, n, prompt));
    for (size_t i = 0; i < n; i++)
        if (feeds[i].wanted)
            TUFF_TRY(choose(c, owner[i], feeds[i].logits));
    return TUFF_OK;
}

/* With params.reuse, the track of the last call, cut to what its tokens have in common with the
 * prompt; the prompt's last token is run in any case, for its logits. */
static struct tuff_track *kept_track(struct tuff_generator *gen, const struct tuff_prompt *prompt)
{
    struct tuff_track *track = gen->kept.track;
    size_t n = 0;
    while (n < track->length && n + 1 < prompt->n && gen->kept.ids[n] == prompt->ids[n])
        n++;
    tuff_track_cut(gen, track, n);
    return track;
}

static void keep(struct call *c, bool ok)
{
    if (ok)
        memcpy(c->gen->kept.ids, c->ids, c->list[0].track->length * sizeof *c->ids);
    else
        tuff_engine_reset(c->gen);
}

static enum tuff_status begin(struct call *c, const struct tuff_prompt *prompts)
{
    struct tuff_generator *gen = c->gen;
    size_t room = (size_t) gen->context + 1;
    c->list = tuff_calloc(c->n, sizeof *c->list);
    c->ids = tuff_calloc(c->n * room, sizeof *c->ids);
    c->reuses = gen->params.reuse && c->n == 1;
    if (!c->reuses)
        tuff_engine_reset(gen);
    c->tracks = c->reuses ? kept_track(gen, prompts) : tuff_tracks_create(gen, c->n);
    if (!c->list || !c->ids || !c->tracks)
        return tuff_fail(gen->ctx, TUFF_E_NOMEM, "generate: out of host memory");
    for (size_t i = 0; i < c->n; i++) {
        struct sequence *s = &c->list[i];
        *s = (struct sequence) {.prompt = &prompts[i], .track = &c->tracks[i],
                                .ids = c->ids + i * room, .n = prompts[i].n,
                                .done = prompts[i].max_new_tokens < 1};
        memcpy(s->ids, prompts[i].ids, prompts[i].n * sizeof *s->ids);
    }
    return tuff_engine_begin(gen, prompts, c->n, c->tracks, 1);
}

static enum tuff_status generate(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                                 size_t n, tuff_token_fn on_token, void *user)
{
    struct call c = {.gen = gen, .n = n, .on_token = on_token, .user = user};
    bool idle = n == 0;
    TUFF_TRY(tuff_engine_check(gen, prompts, n, 1));
    enum tuff_status status = n ? begin(&c, prompts) : TUFF_OK;
    while (status == TUFF_OK && !idle)
        status = step(&c, &idle);
    if (c.reuses)
        keep(&c, status == TUFF_OK);
    else
        tuff_tracks_destroy(c.tracks);
    free(c.ids);
    free(c.list);
    return status;
}

enum tuff_status tuff_generate(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                               size_t n, tuff_token_fn on_token, void *user)
{
    void *memory;
    prompts = tuff_engine_prompts(gen, prompts, n, &memory);
    enum tuff_status status = prompts || !n ? generate(gen, prompts, n, on_token, user) : TUFF_E_NOMEM;
    free(memory);
    return status;
}

/* cli/verify_rounded: made texts of a model whose matrices are rounded to half precision. See
 * verify_generate.h.
 *
 * Logits are off by s = rounding * (their root mean square) each, independently, so the difference of two by
 * sqrt(2) s, and five times that happens once in two million. Where the best id leads the second by more,
 * rounding cannot lead another way: such a step is *told*. */
#include "cli/verify_generate.h"

#include <math.h>

enum { SIGMAS = 5 };

/* A golden text, id by id: a processor that looks at the scores and forces the text's own id, so that each
 * step is judged behind the ids of the reference. */
struct follow {
    struct cli_verify_texts *t;
    const uint32_t *text;
    double rounding;
    double worst;      /* by how much another id's score is above the text's, in root mean squares */
    double sum, sizes; /* log-probability of the text's ids; squares of the steps' root mean squares */
    size_t told, steps;
};

static enum tuff_status look(void *user, struct tuff_scores *s)
{
    struct follow *f = user;
    uint32_t id = f->text[s->n];
    bool known = id < s->v;
    double squares = 0, sum = 0, wanted = known ? (double) s->values[id] : -INFINITY, other = -INFINITY;
    for (size_t i = 0; i < s->v; i++) {
        double x = (double) s->values[i];
        squares += x * x;
        sum += exp(x - wanted);
        if (i != id)
            other = TUFF_MAX(other, x);
    }
    double size = sqrt(squares / (double) s->v);
    f->worst = TUFF_MAX(f->worst, (other - wanted) / size);
    f->told += fabs(wanted - other) > SIGMAS * sqrt(2) * f->rounding * size;
    f->sum -= log(sum);
    f->sizes += size * size;
    f->steps++;
    return tuff_proc_force(s, known ? id : 0);
}

static enum tuff_status follow(struct follow *f, struct tuff_generator *generator)
{
    struct cli_verify_texts *t = f->t;
    struct tuff_processor extra = {look, f};
    struct tuff_prompt request = {.ids = t->prompt, .n = t->n,
                                  .sampling = {.greedy = true, .extra = &extra, .n_extra = 1},
                                  .max_new_tokens = (int64_t) (t->all - t->n)};
    return tuff_generate(generator, &request, 1, NULL, NULL);
}

static enum tuff_status check_greedy(struct cli_verify_texts *t, struct tuff_generator *generator,
                                     double rounding)
{
    struct follow f = {.t = t, .text = t->greedy, .rounding = rounding, .worst = -INFINITY};
    TUFF_TRY(follow(&f, generator));
    return t->line(t->user, "greedy", TUFF_MAX(f.worst, 0), SIGMAS * sqrt(2) * rounding, f.told, f.steps);
}

/* ---- beams ---- */

/* Beams of one step, best first, and the best that is none of them. */
struct front {
    double scores[CLI_VERIFY_BEAMS + 1];
    uint32_t *ids[CLI_VERIFY_BEAMS + 1];
    size_t n;
};

/* A search seen through a processor: which continuations it has to choose from at each step. */
struct watch {
    struct cli_verify_texts *t;
    struct front past, next;
    size_t n;      /* ids of the past beams */
    double lead;   /* what a step must be told by, times sqrt(new ids) */
    size_t told, steps, lost; /* lost: golden texts that are among the beams of a told step no more */
    bool open;     /* all steps were told so far */
};

static bool is_beam(const struct watch *w, const uint32_t *ids)
{
    bool found = false;
    for (size_t i = 0; i < TUFF_MIN(w->next.n, CLI_VERIFY_BEAMS); i++)
        found |= !memcmp(w->next.ids[i], ids, (w->n + 1) * sizeof *ids);
    return found;
}

/* The step is over: the next beams are known. A sum of t log-probabilities is off by sqrt(2 t) s, and the
 * difference of two sums by sqrt(2) times that. */
static void advance(struct watch *w)
{
    const double *scores = w->next.scores;
    w->steps++;
    if (w->next.n > CLI_VERIFY_BEAMS)
        w->open &= scores[CLI_VERIFY_BEAMS - 1] - scores[CLI_VERIFY_BEAMS] >
                   w->lead * sqrt((double) (w->n + 1 - w->t->n));
    w->told += w->open;
    for (size_t i = 0; i < CLI_VERIFY_RETURNED && w->open; i++)
        w->lost += !is_beam(w, w->t->beam + i * w->t->all);
    struct front past = w->past;
    w->past = w->next;
    w->next = past;
    w->next.n = 0;
    w->n++;
}

static void insert(struct watch *w, double score, const uint32_t *ids, uint32_t id)
{
    struct front *f = &w->next;
    size_t at = f->n < CLI_VERIFY_BEAMS + 1 ? f->n++ : CLI_VERIFY_BEAMS;
    uint32_t *room = f->ids[at];
    for (; at && f->scores[at - 1] < score; at--) {
        f->scores[at] = f->scores[at - 1];
        f->ids[at] = f->ids[at - 1];
    }
    f->scores[at] = score;
    f->ids[at] = room;
    memcpy(room, ids, w->n * sizeof *ids);
    room[w->n] = id;
}

/* One beam's log-probabilities. The first step has the prompt once for each beam: it counts once. */
static enum tuff_status see(void *user, struct tuff_scores *s)
{
    struct watch *w = user;
    double score = -INFINITY;
    if (s->n > w->n)
        advance(w);
    for (size_t i = 0; i < TUFF_MIN(w->past.n, CLI_VERIFY_BEAMS); i++)
        if (!memcmp(w->past.ids[i], s->ids, s->n * sizeof *s->ids))
            score = w->past.scores[i];
    if (s->n == s->n_prompt)
        score = w->next.n ? -INFINITY : 0;
    for (size_t i = 0; i < s->v && score > -INFINITY; i++) {
        double sum = score + (double) s->values[i];
        if (w->next.n <= CLI_VERIFY_BEAMS || sum > w->next.scores[CLI_VERIFY_BEAMS])
            insert(w, sum, s->ids, (uint32_t) i);
    }
    return TUFF_OK;
}

/* The search itself. What it returns must have the score that its ids have one after the other: 1e-4, as in
 * F32, for these are the same rounded matrices. */
static enum tuff_status search(struct watch *w, struct tuff_generator *generator, double *own)
{
    struct cli_verify_texts *t = w->t;
    struct tuff_processor extra = {see, w};
    struct tuff_prompt request = {.ids = t->prompt, .n = t->n,
                                  .sampling = {.greedy = true, .extra = &extra, .n_extra = 1},
                                  .max_new_tokens = (int64_t) (t->all - t->n)};
    struct tuff_hypothesis out[CLI_VERIFY_RETURNED];
    enum tuff_status status =
        tuff_beam_search(generator, &request, 1,
                         &(struct tuff_beam_params) {.num_beams = CLI_VERIFY_BEAMS,
                                                     .num_return_sequences = CLI_VERIFY_RETURNED,
                                                     .length_penalty = 1},
                         NULL, NULL, out);
    TUFF_TRY(status);
    advance(w);
    memcpy(t->made, t->prompt, t->n * sizeof *t->made);
    for (size_t i = 0; i < CLI_VERIFY_RETURNED; i++) {
        struct follow f = {.t = t, .text = t->made};
        if (status == TUFF_OK && out[i].n != t->all - t->n)
            status = tuff_fail(t->ctx, TUFF_E_STATE, "verify: a beam of %zu ids", out[i].n);
        if (status == TUFF_OK) {
            memcpy(t->made + t->n, out[i].ids, out[i].n * sizeof *t->made);
            status = follow(&f, generator);
        }
        *own = TUFF_MAX(*own, fabs(f.sum / (double) out[i].n - out[i].score));
        free(out[i].ids);
    }
    return status;
}

/* The golden beams' scores, and by how much a step of a search must be told. */
static enum tuff_status check_scores(struct watch *w, struct tuff_generator *generator, double rounding)
{
    struct cli_verify_texts *t = w->t;
    double worst = 0, allowed = 0, n = (double) (t->all - t->n);
    for (size_t i = 0; i < CLI_VERIFY_RETURNED; i++) {
        struct follow f = {.t = t, .text = t->beam + i * t->all, .rounding = rounding};
        TUFF_TRY(follow(&f, generator));
        worst = TUFF_MAX(worst, fabs(f.sum / n - (double) t->beam_scores[i]));
        allowed = TUFF_MAX(allowed, SIGMAS * rounding * sqrt(2 * f.sizes) / n);
        w->lead = TUFF_MAX(w->lead, SIGMAS * rounding * 2 * sqrt(f.sizes / n));
    }
    return t->line(t->user, "beam_scores", worst, allowed, 0, 0);
}

static enum tuff_status check_beams(struct cli_verify_texts *t, struct tuff_generator *generator,
                                    double rounding)
{
    enum { FRONT = CLI_VERIFY_BEAMS + 1 };
    struct watch w = {.t = t, .n = t->n, .open = true};
    uint32_t *memory = tuff_calloc((2 * FRONT + 1) * t->all, sizeof *memory);
    double own = 0;
    if (!memory)
        return tuff_fail(t->ctx, TUFF_E_NOMEM, "verify: out of memory");
    for (size_t i = 0; i < FRONT; i++) {
        w.past.ids[i] = memory + 2 * i * t->all;
        w.next.ids[i] = memory + (2 * i + 1) * t->all;
    }
    t->made = memory + 2 * FRONT * t->all;
    enum tuff_status status = check_scores(&w, generator, rounding);
    if (status == TUFF_OK)
        status = search(&w, generator, &own);
    if (status == TUFF_OK)
        status = t->line(t->user, "beam", (double) w.lost, 0, w.told, w.steps);
    if (status == TUFF_OK)
        status = t->line(t->user, "beams' scores, id after id", own, 1e-4, 0, 0);
    t->made = NULL;
    free(memory);
    return status;
}

enum tuff_status cli_verify_rounded_texts(struct cli_verify_texts *t, struct tuff_generator *generator,
                                          double rounding)
{
    if (t->greedy)
        TUFF_TRY(check_greedy(t, generator, rounding));
    return t->beam ? check_beams(t, generator, rounding) : TUFF_OK;
}

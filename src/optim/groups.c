/* optim/groups: what parameters of some names have for themselves: rates, decay, or no steps at all. */
#include "optim/flat.h"

/* ---- patterns ---- */

static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) { /* the last star takes one character more */
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static enum tuff_status wrong(struct tuff_ctx *ctx, const char *text)
{
    return tuff_fail(ctx, TUFF_E_ARG, "group \"%.80s\": must be PATTERN:lr=X,decay=Y, numbers of 0 or "
                     "more, either may be left out", text);
}

enum tuff_status tuff_parameter_rule_parse(struct tuff_ctx *ctx, const char *text, double base_lr,
                                           struct tuff_parameter_rule *rule, char **memory)
{
    char *copy = *memory = strdup(text), *at = copy ? strrchr(copy, ':') : NULL;
    *rule = (struct tuff_parameter_rule) {.pattern = copy};
    if (!copy)
        return tuff_fail(ctx, TUFF_E_NOMEM, "group: out of host memory");
    if (!at || at == copy || !at[1])
        return wrong(ctx, text);
    *at++ = 0;
    for (char *next; at; at = next) {
        if ((next = strchr(at, ',')))
            *next++ = 0;
        char *value = strchr(at, '='), *end;
        if (!value || !value[1])
            return wrong(ctx, text);
        *value++ = 0;
        double number = strtod(value, &end);
        if (*end || !(number >= 0) || !isfinite(number))
            return wrong(ctx, text);
        if (!strcmp(at, "decay")) {
            rule->decays = true;
            rule->weight_decay = number;
        } else if (!strcmp(at, "lr") && number > 0 && base_lr > 0) {
            rule->lr_scale = number / base_lr;
        } else if (!strcmp(at, "lr") && number == 0) {
            return tuff_fail(ctx, TUFF_E_ARG, "group \"%.80s\": a rate of 0 is --freeze", text);
        } else {
            return wrong(ctx, text);
        }
    }
    return TUFF_OK;
}

/* ---- groups ---- */

/* Rates and decays of a group, and whether any parameter is in it. */
struct group {
    double lr_scale, weight_decay;
    bool used;
};

static struct group group_of(const struct tuff_variable *v, const struct tuff_parameter_rule *rules,
                             size_t n, const struct tuff_optimizer_params *p)
{
    double scale = p->lr_scale[v->group];
    struct group own = {scale != 0 ? scale : 1, p->weight_decay[v->group], true}, g = own;
    for (size_t i = 0; i < n; i++) {
        if (rules[i].frozen || !matches(rules[i].pattern, v->name))
            continue;
        if (rules[i].lr_scale != 0)
            g.lr_scale = own.lr_scale * rules[i].lr_scale;
        if (rules[i].decays)
            g.weight_decay = rules[i].weight_decay;
    }
    return g;
}

static enum tuff_status freeze(struct tuff_store *store, const struct tuff_parameter_rule *rules,
                               size_t n)
{
    size_t left = 0;
    for (size_t k = 0; k < n; k++) {
        bool any = false;
        const char *example = "";
        for (size_t i = 0; i < store->variables.n; i++) {
            struct tuff_variable *v = store->variables.items[i];
            if (v->role == TUFF_STATE)
                continue;
            example = v->name;
            if (!matches(rules[k].pattern, v->name))
                continue;
            any = true;
            if (rules[k].frozen)
                v->role = TUFF_FROZEN;
        }
        if (!any)
            return tuff_fail(store->ctx, TUFF_E_ARG, "pattern \"%.80s\": no parameter has such a name; "
                             "one is \"%.120s\"", rules[k].pattern, example);
    }
    for (size_t i = 0; i < store->variables.n; i++)
        left += store->variables.items[i]->role == TUFF_TRAINABLE;
    return left ? TUFF_OK : tuff_fail(store->ctx, TUFF_E_ARG, "freeze: nothing is left to train");
}

enum tuff_status tuff_parameter_rules_apply(struct tuff_store *store,
                                            const struct tuff_parameter_rule *rules, size_t n,
                                            struct tuff_optimizer_params *params)
{
    struct group groups[TUFF_OPTIM_GROUPS] = {0};
    if (!n)
        return TUFF_OK;
    TUFF_TRY(freeze(store, rules, n));
    /* Groups that parameters have already keep their numbers. */
    for (size_t i = 0; i < store->variables.n; i++) {
        const struct tuff_variable *v = store->variables.items[i];
        if (v->role == TUFF_TRAINABLE)
            groups[v->group] = group_of(v, NULL, 0, params);
    }
    for (size_t i = 0; i < store->variables.n; i++) {
        struct tuff_variable *v = store->variables.items[i];
        if (v->role != TUFF_TRAINABLE)
            continue;
        struct group want = group_of(v, rules, n, params), own = groups[v->group];
        uint32_t k = v->group;
        if (want.lr_scale == own.lr_scale && want.weight_decay == own.weight_decay)
            continue;
        for (k = 0; k < TUFF_OPTIM_GROUPS && groups[k].used; k++)
            if (groups[k].lr_scale == want.lr_scale && groups[k].weight_decay == want.weight_decay)
                break;
        if (k == TUFF_OPTIM_GROUPS)
            return tuff_fail(store->ctx, TUFF_E_ARG, "groups: more than %d different pairs of rate "
                             "and decay", TUFF_OPTIM_GROUPS);
        groups[k] = want;
        v->group = k;
    }
    for (size_t k = 0; k < TUFF_OPTIM_GROUPS; k++)
        if (groups[k].used) {
            params->lr_scale[k] = groups[k].lr_scale;
            params->weight_decay[k] = groups[k].weight_decay;
        }
    return TUFF_OK;
}

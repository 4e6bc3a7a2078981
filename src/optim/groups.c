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

static enum tuff_status wrong(struct tuff_ctx *ctx, const char *what)
{
    return tuff_fail(ctx, TUFF_E_ARG, "group \"%.80s\": must be PATTERN:lr=X,decay=Y, lr above 0, decay "
                     "0 or more, either may be left out; more of them behind ;", what);
}

/* The text up to `end` becomes its own; returns what is behind, NULL where there is nothing. */
static char *cut(char *text, char end)
{
    char *at = strchr(text, end);
    if (at)
        *at++ = 0;
    return at;
}

static bool parse_field(char *field, double base_lr, struct tuff_parameter_rule *rule)
{
    char *value = cut(field, '='), *end = NULL;
    double number = value ? strtod(value, &end) : -1;
    if (!value || end == value || *end || !(number >= 0) || !isfinite(number))
        return false;
    if (!strcmp(field, "decay")) {
        rule->decays = true;
        rule->weight_decay = number;
        return true;
    }
    rule->lr_scale = base_lr > 0 ? number / base_lr : 0;
    return !strcmp(field, "lr") && rule->lr_scale > 0;
}

static bool parse_group(char *text, double base_lr, struct tuff_parameter_rule *rule)
{
    char *at = strrchr(text, ':');
    rule->pattern = text;
    if (!at || at == text)
        return false;
    *at++ = 0;
    for (char *next; at; at = next) {
        next = cut(at, ',');
        if (!parse_field(at, base_lr, rule))
            return false;
    }
    return true;
}

enum tuff_status tuff_parameter_rules_parse(struct tuff_ctx *ctx, const char *groups,
                                            const char *freeze, double base_lr,
                                            struct tuff_parameter_rule **out, size_t *n)
{
    const char *texts[] = {groups ? groups : "", freeze ? freeze : ""};
    size_t most = 2, bytes = strlen(texts[0]) + strlen(texts[1]) + 2;
    for (const char *at = texts[0]; *at; at++)
        most += *at == ';';
    for (const char *at = texts[1]; *at; at++)
        most += *at == '+';
    *n = 0;
    struct tuff_parameter_rule *rules = *out = tuff_calloc(most * sizeof *rules + bytes, 1);
    if (!rules)
        return tuff_fail(ctx, TUFF_E_NOMEM, "groups: out of host memory");
    char *at = strcpy((char *) (rules + most), texts[0]);
    for (char *next, *whole = at; whole && *whole; whole = next) {
        next = cut(whole, ';');
        if (!parse_group(whole, base_lr, &rules[(*n)++]))
            return wrong(ctx, groups);
    }
    at = strcpy(at + strlen(texts[0]) + 1, texts[1]);
    for (char *next; at && *at; at = next) {
        next = cut(at, '+');
        rules[(*n)++] = (struct tuff_parameter_rule) {.pattern = at, .frozen = true};
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

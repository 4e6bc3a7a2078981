/* template: what its files share. lexer → tokens → parser → nodes → render, which evaluates
 * expressions (eval) over values (value), filters, tests and methods (tables of functions). */
#ifndef TUFF_TEMPLATE_IMPL_H
#define TUFF_TEMPLATE_IMPL_H

#include "base/base.h"
#include "tuff/template.h"

/* ---- values ---- */

enum tpl_kind {
    TPL_MISSING, /* an argument that was not given; never a value of the template */
    TPL_UNDEFINED,
    TPL_NONE,
    TPL_BOOL,
    TPL_INT,
    TPL_FLOAT,
    TPL_STRING,
    TPL_LIST,
    TPL_TUPLE,
    TPL_GENERATOR, /* a list that can be walked once, is true and has no length */
    TPL_DICT,
    TPL_NAMESPACE,
    TPL_MACRO,
    TPL_FUNCTION,
    TPL_LOOP
};
/* Not NUL-terminated. */
struct tpl_string {
    const char *s;
    size_t n;
};
struct tpl_value {
    enum tpl_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        struct tpl_string str; /* of undefined: what it is the lack of */
        struct tpl_list *list;
        struct tpl_dict *dict; /* of a namespace too */
        struct tpl_macro *macro;
        struct tpl_bound *function;
        struct tpl_loop *loop;
    } u;
};
struct tpl_list {
    struct tpl_value *items;
    size_t n;
    bool spent; /* generators */
};
struct tpl_pair {
    struct tpl_value key, value;
};
struct tpl_dict {
    struct tpl_pair *items;
    size_t n, cap;
};
struct tpl_macro {
    const struct tpl_node *node; /* TPL_N_MACRO or TPL_N_CALL */
    struct tpl_scope *scope;     /* where it was defined */
    struct tpl_value caller;     /* what the name `caller` means inside; undefined: nothing */
};
struct tpl_loop {
    struct tpl_value *items;
    size_t n, index0, depth0; /* depth0: of recursive loops, which there are none */
    struct tpl_value changed; /* what loop.changed() saw last */
};
struct tpl_scope {
    struct tpl_scope *up;
    struct tpl_dict vars;
};

/* ---- functions ---- */

/* A call with its arguments bound to the function's parameter names. */
struct tpl_call {
    const struct tpl_function *function;
    struct tpl_value self; /* the filtered, tested value or the method's object */
    struct tpl_value args[6]; /* by the order of parameters; TPL_MISSING where not given */
    struct tpl_value *rest;   /* of a function that takes any number */
    size_t n_rest;
    struct tpl_dict named;    /* of a function that takes any names */
    struct tpl_value state;   /* cycler, joiner */
};
struct tpl_run;
typedef struct tpl_value (*tpl_fn)(struct tpl_run *run, struct tpl_call *call);
struct tpl_function {
    const char *name;
    const char *params; /* "width first blank", "*" for any more arguments and names */
    int required;       /* so many of them must be given */
    tpl_fn fn;
};
/* A function as a value: a method with its object, a global. */
struct tpl_bound {
    const struct tpl_function *function;
    struct tpl_value self;
    struct tpl_value state;
};
/* NULL: there is none. */
const struct tpl_function *tpl_filter_find(struct tpl_string name);
const struct tpl_function *tpl_list_filter_find(struct tpl_string name);
const struct tpl_function *tpl_test_find(struct tpl_string name);
const struct tpl_function *tpl_global_find(struct tpl_string name);
/* Of strings, lists and dicts. */
const struct tpl_function *tpl_method_find(enum tpl_kind kind, struct tpl_string name);
const struct tpl_function *tpl_function_in(const struct tpl_function *table, size_t n,
                                           struct tpl_string name);

/* ---- templates ---- */

enum tpl_node_kind {
    /* expressions */
    TPL_N_CONST, TPL_N_NAME, TPL_N_LIST, TPL_N_TUPLE, TPL_N_DICT, TPL_N_ATTR, TPL_N_ITEM,
    TPL_N_SLICE, TPL_N_CALLED, TPL_N_FILTER, TPL_N_TEST, TPL_N_COND, TPL_N_AND, TPL_N_OR,
    TPL_N_NOT, TPL_N_COMPARE, TPL_N_CONCAT, TPL_N_BINARY, TPL_N_NEG, TPL_N_POS,
    /* statements */
    TPL_N_DATA, TPL_N_PRINT, TPL_N_IF, TPL_N_FOR, TPL_N_SET, TPL_N_SET_BLOCK, TPL_N_MACRO,
    TPL_N_CALL, TPL_N_FILTER_BLOCK, TPL_N_WITH, TPL_N_GENERATION, TPL_N_BREAK, TPL_N_CONTINUE
};
struct tpl_nodes {
    struct tpl_node **items;
    size_t n, cap;
};
struct tpl_arg {
    struct tpl_string name; /* s NULL: by position */
    int stars;              /* 1: *value, 2: **value */
    struct tpl_node *value;
};
/* What the members mean stands at each kind in the parser. */
struct tpl_node {
    enum tpl_node_kind kind;
    int line, depth;
    int op; /* operators: as the token's */
    struct tpl_value value;
    struct tpl_node *a, *b, *c;
    struct tpl_nodes list, body, other;
    struct tpl_arg *args;
    size_t n_args;
    const struct tpl_function *function;
    bool open; /* macros: varargs or kwargs are used in it */
};
struct tuff_template {
    char *name;
    struct tuff_arena arena;
    struct tpl_nodes body;
};

enum tpl_token_kind {
    TPL_T_DATA, TPL_T_VARIABLE, TPL_T_VARIABLE_END, TPL_T_BLOCK, TPL_T_BLOCK_END, TPL_T_NAME,
    TPL_T_STRING, TPL_T_INT, TPL_T_FLOAT, TPL_T_OP, TPL_T_END
};
/* An operator's characters as one number. */
#define TPL_OP(a) (a)
#define TPL_OP2(a, b) ((a) | (b) << 8)
struct tpl_token {
    enum tpl_token_kind kind;
    int line, op;
    struct tpl_string text;
    int64_t i;
    double f;
};
struct tpl_tokens {
    struct tpl_token *items;
    size_t n, cap;
};
/* Texts are in the arena; items are the caller's to free. */
enum tuff_status tpl_lex(struct tuff_ctx *ctx, const char *name, struct tuff_arena *arena,
                         const char *text, size_t n, struct tpl_tokens *tokens);

/* ---- running ---- */

struct tpl_run {
    struct tuff_ctx *ctx;
    const struct tuff_template *tpl;
    enum tuff_status status; /* the first failure; all functions then do nothing */
    int line;                /* of the node being evaluated */
    int depth;
    size_t memory;
    uint64_t steps;
    double now;
    struct tuff_arena arena;
    struct tpl_scope globals;
    struct tuff_text *out;
};
/* Sets the failure, with name and line before the text; returns an undefined value. */
struct tpl_value tpl_fail(struct tpl_run *run, enum tuff_status status, const char *format, ...)
    TUFF_PRINTF(3, 4);
/* false when the bound is passed, which is then the failure. */
bool tpl_spend(struct tpl_run *run, size_t steps);
/* Zeroed; NULL, with the failure set, when memory or its bound is exhausted. */
void *tpl_alloc(struct tpl_run *run, size_t n, size_t size);

struct tpl_value tpl_eval(struct tpl_run *run, struct tpl_scope *scope, const struct tpl_node *node);
struct tpl_value tpl_call_macro(struct tpl_run *run, struct tpl_macro *macro,
                                const struct tpl_value *args, size_t n,
                                const struct tpl_dict *named);
/* Calls a function of a table: binds, checks, runs. */
struct tpl_value tpl_apply(struct tpl_run *run, const struct tpl_function *function,
                           struct tpl_value self, struct tpl_value state,
                           const struct tpl_value *args, size_t n, const struct tpl_dict *named);
/* obj.name and obj[key], as Jinja looks them up. */
struct tpl_value tpl_attribute(struct tpl_run *run, struct tpl_value obj, struct tpl_string name);
struct tpl_value tpl_item(struct tpl_run *run, struct tpl_value obj, struct tpl_value key);
/* Operators shared by expressions and filters. */
struct tpl_value tpl_add(struct tpl_run *run, struct tpl_value a, struct tpl_value b);
struct tpl_value tpl_binary(struct tpl_run *run, int op, struct tpl_value a, struct tpl_value b);
bool tpl_contains(struct tpl_run *run, struct tpl_value container, struct tpl_value item);

static inline struct tpl_value tpl_none(void)
{
    return (struct tpl_value) {.kind = TPL_NONE};
}
static inline struct tpl_value tpl_bool(bool b)
{
    return (struct tpl_value) {.kind = TPL_BOOL, .u.b = b};
}
static inline struct tpl_value tpl_int(int64_t i)
{
    return (struct tpl_value) {.kind = TPL_INT, .u.i = i};
}
static inline struct tpl_value tpl_float(double f)
{
    return (struct tpl_value) {.kind = TPL_FLOAT, .u.f = f};
}
static inline struct tpl_value tpl_string(const char *s, size_t n)
{
    return (struct tpl_value) {.kind = TPL_STRING, .u.str = {s, n}};
}
static inline struct tpl_value tpl_undefined(struct tpl_string what)
{
    return (struct tpl_value) {.kind = TPL_UNDEFINED, .u.str = what};
}
static inline bool tpl_is(struct tpl_string s, const char *text)
{
    return s.n == strlen(text) && (!s.n || !memcmp(s.s, text, s.n));
}
static inline bool tpl_same(struct tpl_string a, struct tpl_string b)
{
    return a.n == b.n && (!a.n || !memcmp(a.s, b.s, a.n));
}
#define TPL_TEXT(literal) ((struct tpl_string) {literal, sizeof(literal) - 1})

/* A copy in the run's memory. */
struct tpl_value tpl_string_copy(struct tpl_run *run, const char *s, size_t n);
/* Takes what was collected, frees it. */
struct tpl_value tpl_string_from(struct tpl_run *run, struct tuff_text *text);
struct tpl_value tpl_list_new(struct tpl_run *run, enum tpl_kind kind, size_t n);
struct tpl_value tpl_dict_new(struct tpl_run *run, enum tpl_kind kind);
void tpl_dict_set(struct tpl_run *run, struct tpl_dict *dict, struct tpl_value key,
                  struct tpl_value value);
const struct tpl_value *tpl_dict_get(struct tpl_run *run, const struct tpl_dict *dict,
                                     struct tpl_value key);
const struct tpl_value *tpl_dict_find(const struct tpl_dict *dict, struct tpl_string key);
bool tpl_truth(struct tpl_value v);
bool tpl_equal(struct tpl_run *run, struct tpl_value a, struct tpl_value b);
/* < 0, 0, > 0; a failure for values that have no order. */
int tpl_compare(struct tpl_run *run, struct tpl_value a, struct tpl_value b);
bool tpl_is_number(struct tpl_value v); /* bool too */
double tpl_real(struct tpl_value v);    /* of a number */
int64_t tpl_integer(struct tpl_value v); /* of a bool or integer */
/* The items that a `for` over v meets: of a list, the characters of a string, the keys of a dict.
 * false, with the failure set, for what cannot be walked. */
bool tpl_items(struct tpl_run *run, struct tpl_value v, struct tpl_value **items, size_t *n);
/* What {{ v }} prints; with `quoted`, what it prints inside a list. */
void tpl_print(struct tpl_run *run, struct tuff_text *out, struct tpl_value v, bool quoted);
struct tpl_value tpl_to_string(struct tpl_run *run, struct tpl_value v);
const char *tpl_kind_name(struct tpl_value v); /* "a string" */
void tpl_float_text(double f, char out[40]);   /* as Python's repr */
/* json.dumps. Negative indent: one line. */
struct tpl_json_style {
    int64_t indent;
    bool ascii, sort_keys;
    struct tpl_string item, key; /* separators */
};
void tpl_json(struct tpl_run *run, struct tuff_text *out, struct tpl_value v,
              const struct tpl_json_style *style);
/* The members of a JSON object as globals. */
enum tuff_status tpl_read_json(struct tpl_run *run, const char *text, size_t n);

/* ---- characters ---- */

size_t tpl_chars(struct tpl_string s);             /* code points */
size_t tpl_char_size(const char *s, size_t n);     /* bytes of the first one; n > 0 */
bool tpl_is_space(const char *s, size_t n, size_t *size); /* as str.isspace of the first one */
struct tpl_string tpl_strip(struct tpl_string s, bool left, bool right);
/* The place of `what` in s at or after `from`; (size_t) -1: none. */
size_t tpl_find(struct tpl_run *run, struct tpl_string s, struct tpl_string what, size_t from);
enum tpl_case { TPL_UPPER, TPL_LOWER, TPL_CAPITALIZE, TPL_TITLE };
struct tpl_value tpl_recase(struct tpl_run *run, struct tpl_string s, enum tpl_case how);
struct tpl_value tpl_replace(struct tpl_run *run, struct tpl_string s, struct tpl_string from,
                             struct tpl_string to, int64_t count);
/* "%s" % args. */
struct tpl_value tpl_format(struct tpl_run *run, struct tpl_string s, struct tpl_value args);

#endif

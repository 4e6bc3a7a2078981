/* io/pickle: see pickle.h. The opcodes are those of Python's pickletools.py. */
#include "io/pickle.h"

/* A hostile pickle makes at most one value a byte. */
#define PICKLE_MAX ((size_t) 32 << 20)

typedef struct tuff_pickle_value value;

struct machine {
    struct tuff_ctx *ctx;
    const struct tuff_pickle_params *params;
    const uint8_t *bytes;
    size_t size, at;
    struct {
        value **items;
        size_t n, cap;
    } stack, memo;
    struct {
        size_t *items; /* heights of the stack */
        size_t n, cap;
    } marks;
    bool done;
};

enum argument { NO_ARGUMENT, U8 = 1, U16 = 2, I32 = 4, U64 = 8, LINE = 16, SIZED = 32 };

struct opcode {
    uint8_t code;
    uint8_t argument; /* SIZED with a size of 1, 4 or 8 bytes: that many bytes follow */
    enum tuff_status (*run)(struct machine *m, const struct opcode *op, const char *data,
                            uint64_t number);
};

static enum tuff_status broken(struct machine *m, const char *what)
{
    return tuff_fail(m->ctx, TUFF_E_FORMAT, "%s: byte %zu of its pickle: %s", m->params->name,
                     m->at, what);
}

static enum tuff_status no_memory(struct machine *m)
{
    return tuff_fail(m->ctx, TUFF_E_NOMEM, "%s: out of host memory", m->params->name);
}

/* ---- stack ---- */

static value *push(struct machine *m, enum tuff_pickle_kind kind)
{
    value *v = tuff_arena_alloc(m->params->arena, sizeof *v);
    value **slot = v ? TUFF_PUSH(&m->stack) : NULL;
    if (!slot)
        return NULL;
    v->kind = kind;
    return *slot = v;
}

/* The lowest height that pops may reach: nothing below the last mark. */
static size_t floor_of(const struct machine *m)
{
    return m->marks.n ? m->marks.items[m->marks.n - 1] : 0;
}

static value *top(struct machine *m)
{
    return m->stack.n > floor_of(m) ? m->stack.items[m->stack.n - 1] : NULL;
}

static value *pop(struct machine *m)
{
    value *v = top(m);
    m->stack.n -= v != NULL;
    return v;
}

/* The top n values of the stack, appended. */
static bool add_items(struct machine *m, value *to, size_t n)
{
    if (!n)
        return true;
    if (to->n + n > to->cap) {
        size_t cap = TUFF_MAX(to->n + n, to->cap * 2);
        value **wider = tuff_arena_alloc(m->params->arena, cap * sizeof(value *));
        if (!wider)
            return false;
        if (to->n)
            memcpy(wider, to->items, to->n * sizeof(value *));
        to->items = wider;
        to->cap = cap;
    }
    memcpy(to->items + to->n, m->stack.items + m->stack.n - n, n * sizeof(value *));
    to->n += n;
    return true;
}

/* ---- opcodes ---- */

#define OPCODE(name)                                                                               \
    static enum tuff_status name(struct machine *m, const struct opcode *op, const char *data,     \
                                 uint64_t number)
#define UNUSED() ((void) op, (void) data, (void) number)

OPCODE(op_nothing)
{
    (void) m;
    UNUSED();
    return TUFF_OK;
}

OPCODE(op_proto)
{
    UNUSED();
    return number >= 2 && number <= 5
               ? TUFF_OK
               : tuff_fail(m->ctx, TUFF_E_UNSUPPORTED,
                           "%s: its pickle is of protocol %u; 2 to 5 are supported",
                           m->params->name, (unsigned) number);
}

OPCODE(op_stop)
{
    UNUSED();
    if (m->stack.n != 1 || m->marks.n)
        return broken(m, "ends with more or less than one value");
    m->done = true;
    return TUFF_OK;
}

OPCODE(op_mark)
{
    UNUSED();
    size_t *mark = TUFF_PUSH(&m->marks);
    if (!mark)
        return no_memory(m);
    *mark = m->stack.n;
    return TUFF_OK;
}

OPCODE(op_constant)
{
    UNUSED();
    value *v = push(m, op->code == 'N' ? TUFF_PICKLE_NONE : TUFF_PICKLE_BOOL);
    if (!v)
        return no_memory(m);
    v->integer = op->code == 0x88;
    return TUFF_OK;
}

OPCODE(op_int)
{
    UNUSED();
    value *v = push(m, TUFF_PICKLE_INT);
    if (!v)
        return no_memory(m);
    v->integer = op->argument == I32 ? (int64_t) (int32_t) (uint32_t) number : (int64_t) number;
    return TUFF_OK;
}

OPCODE(op_real)
{
    UNUSED();
    return push(m, TUFF_PICKLE_REAL) ? TUFF_OK : no_memory(m);
}

OPCODE(op_long)
{
    UNUSED();
    value *v = push(m, number > 8 ? TUFF_PICKLE_BIG : TUFF_PICKLE_INT);
    if (!v)
        return no_memory(m);
    if (number > 8) {
        v->text = data;
        v->n = number;
    } else if (number) {
        uint64_t bits = (uint8_t) data[number - 1] & 0x80 ? UINT64_MAX : 0;
        for (size_t i = number; i-- > 0;)
            bits = bits << 8 | (uint8_t) data[i];
        v->integer = (int64_t) bits;
    }
    return TUFF_OK;
}

OPCODE(op_text)
{
    UNUSED();
    value *v = push(m, TUFF_PICKLE_TEXT);
    char *copy = v ? tuff_arena_alloc(m->params->arena, number + 1) : NULL;
    if (!copy)
        return no_memory(m);
    memcpy(copy, data, number);
    v->text = copy;
    v->n = number;
    return TUFF_OK;
}

OPCODE(op_empty)
{
    UNUSED();
    value *v = push(m, op->code == ')'   ? TUFF_PICKLE_TUPLE
                       : op->code == ']' ? TUFF_PICKLE_LIST
                                         : TUFF_PICKLE_DICT);
    return v ? TUFF_OK : no_memory(m);
}

/* Replaces the top n values by a tuple of them. */
static enum tuff_status make_tuple(struct machine *m, size_t n)
{
    if (m->stack.n - floor_of(m) < n)
        return broken(m, "a tuple of more values than there are");
    value *v = tuff_arena_alloc(m->params->arena, sizeof *v);
    if (!v || !add_items(m, v, n))
        return no_memory(m);
    v->kind = TUFF_PICKLE_TUPLE;
    m->stack.n -= n;
    value **slot = TUFF_PUSH(&m->stack);
    if (!slot)
        return no_memory(m);
    *slot = v;
    return TUFF_OK;
}

OPCODE(op_tuple)
{
    UNUSED();
    if (op->code != 't')
        return make_tuple(m, op->code - 0x84u);
    if (!m->marks.n)
        return broken(m, "a tuple without its mark");
    size_t n = m->stack.n - floor_of(m);
    m->marks.n--;
    return make_tuple(m, n);
}

/* APPEND(S) and SETITEM(S): into the list or dict below. */
OPCODE(op_fill)
{
    UNUSED();
    bool dict = op->code == 's' || op->code == 'u';
    size_t n = op->code == 'a' ? 1 : 2;
    if (op->code == 'e' || op->code == 'u') {
        if (!m->marks.n)
            return broken(m, "items without their mark");
        n = m->stack.n - floor_of(m);
        m->marks.n--;
    }
    if (m->stack.n - floor_of(m) < n + 1 || (dict && n % 2))
        return broken(m, "items that do not belong to a list or dict");
    value *to = m->stack.items[m->stack.n - n - 1];
    if (to->kind != (dict ? TUFF_PICKLE_DICT : TUFF_PICKLE_LIST))
        return broken(m, "items put into what is no list or dict");
    if (!add_items(m, to, n))
        return no_memory(m);
    m->stack.n -= n;
    return TUFF_OK;
}

OPCODE(op_put)
{
    UNUSED();
    size_t at = op->code == 0x94 ? m->memo.n : (size_t) number;
    value *v = top(m);
    /* Picklers number in order; beyond the bytes read so far there cannot have been so many. */
    if (!v || at > m->at)
        return broken(m, "a memo of nothing, or of too high a number");
    while (m->memo.n <= at)
        if (!TUFF_PUSH(&m->memo))
            return no_memory(m);
    m->memo.items[at] = v;
    return TUFF_OK;
}

OPCODE(op_get)
{
    UNUSED();
    if (number >= m->memo.n || !m->memo.items[number])
        return broken(m, "reads a memo that was not written");
    value **slot = TUFF_PUSH(&m->stack);
    if (!slot)
        return no_memory(m);
    *slot = m->memo.items[number];
    return TUFF_OK;
}

/* A name for an error line: what is not printable becomes '?'. */
static enum tuff_status make_global(struct machine *m, const char *module, size_t n_module,
                                    const char *name, size_t n_name)
{
    value *v = push(m, TUFF_PICKLE_GLOBAL);
    char *text = n_module < 200 && n_name < 200
                     ? tuff_arena_printf(m->params->arena, "%.*s %.*s", (int) n_module, module,
                                         (int) n_name, name)
                     : tuff_arena_strdup(m->params->arena, "(a very long name)");
    if (!v || !text)
        return no_memory(m);
    for (char *c = text; *c; c++)
        if (*c < 32 || *c > 126)
            *c = '?';
    v->text = text;
    return m->params->global(m->params->user, v);
}

OPCODE(op_global)
{
    UNUSED();
    const char *name = memchr(data, '\n', number);
    size_t n = (size_t) (name - data);
    return make_global(m, data, n, name + 1, number - n - 2);
}

OPCODE(op_stack_global)
{
    UNUSED();
    const value *name = pop(m), *module = pop(m);
    if (!name || !module || name->kind != TUFF_PICKLE_TEXT || module->kind != TUFF_PICKLE_TEXT)
        return broken(m, "a global without its names");
    return make_global(m, module->text, module->n, name->text, name->n);
}

OPCODE(op_call)
{
    UNUSED();
    const value *args = pop(m), *callee = pop(m);
    if (!args || !callee || args->kind != TUFF_PICKLE_TUPLE || callee->kind != TUFF_PICKLE_GLOBAL)
        return broken(m, "calls what is no function");
    value *v = push(m, TUFF_PICKLE_NONE);
    return v ? m->params->call(m->params->user, callee, args, v) : no_memory(m);
}

/* Attributes of a dict (a state dict's _metadata) are of no use here. */
OPCODE(op_build)
{
    UNUSED();
    const value *state = pop(m), *object = top(m);
    return state && object && object->kind == TUFF_PICKLE_DICT
               ? TUFF_OK
               : broken(m, "sets attributes of what is no dict");
}

OPCODE(op_persistent)
{
    UNUSED();
    const value *id = pop(m);
    if (!id)
        return broken(m, "a persistent id of nothing");
    value *v = push(m, TUFF_PICKLE_NONE);
    return v ? m->params->persistent(m->params->user, id, v) : no_memory(m);
}

static const struct opcode opcodes[] = {
    {0x80, U8, op_proto},           {0x95, U64, op_nothing},      {'.', 0, op_stop},
    {'(', 0, op_mark},              {'N', 0, op_constant},        {0x88, 0, op_constant},
    {0x89, 0, op_constant},         {'J', I32, op_int},           {'K', U8, op_int},
    {'M', U16, op_int},             {'G', U64, op_real},          {0x8a, SIZED | U8, op_long},
    {0x8b, SIZED | I32, op_long},   {'X', SIZED | I32, op_text},  {0x8c, SIZED | U8, op_text},
    {0x8d, SIZED | U64, op_text},   {'T', SIZED | I32, op_text},  {'U', SIZED | U8, op_text},
    {'B', SIZED | I32, op_text},    {'C', SIZED | U8, op_text},   {')', 0, op_empty},
    {']', 0, op_empty},             {'}', 0, op_empty},           {'t', 0, op_tuple},
    {0x85, 0, op_tuple},            {0x86, 0, op_tuple},          {0x87, 0, op_tuple},
    {'a', 0, op_fill},              {'e', 0, op_fill},            {'s', 0, op_fill},
    {'u', 0, op_fill},              {'q', U8, op_put},            {'r', I32, op_put},
    {0x94, 0, op_put},              {'h', U8, op_get},            {'j', I32, op_get},
    {'c', LINE, op_global},         {0x93, 0, op_stack_global},   {'R', 0, op_call},
    {0x81, 0, op_call},             {'b', 0, op_build},           {'Q', 0, op_persistent},
};

/* ---- the loop ---- */

/* The length of two lines, both ended; 0: they are not. */
static size_t two_lines(const uint8_t *bytes, size_t size)
{
    const uint8_t *first = size ? memchr(bytes, '\n', size) : NULL;
    size_t n = first ? (size_t) (first - bytes) + 1 : size;
    const uint8_t *second = n < size ? memchr(bytes + n, '\n', size - n) : NULL;
    return second ? (size_t) (second - bytes) + 1 : 0;
}

static enum tuff_status step(struct machine *m)
{
    const struct opcode *op = NULL;
    if (m->at >= m->size)
        return broken(m, "ends before its end: the file is cut short");
    for (size_t i = 0; i < TUFF_COUNT(opcodes) && !op; i++)
        if (opcodes[i].code == m->bytes[m->at])
            op = &opcodes[i];
    if (!op)
        return tuff_fail(m->ctx, TUFF_E_UNSUPPORTED,
                         "%s: byte %zu of its pickle: opcode 0x%02x, which no weight file needs",
                         m->params->name, m->at, m->bytes[m->at]);
    const uint8_t *at = m->bytes + ++m->at;
    size_t left = m->size - m->at, width = op->argument & 15u;
    uint64_t number = 0;
    if (op->argument == LINE) {
        number = width = two_lines(at, left);
        if (!width)
            return broken(m, "a name that does not end");
    } else if (width > left) {
        return broken(m, "ends inside an opcode: the file is cut short");
    } else {
        for (size_t i = width; i-- > 0;)
            number = number << 8 | at[i];
    }
    const char *data = (const char *) at;
    if (op->argument & SIZED) {
        data += width;
        if (number > left - width)
            return broken(m, "a text longer than the rest: the file is cut short");
        width += (size_t) number;
    }
    m->at += width;
    return op->run(m, op, data, number);
}

enum tuff_status tuff_pickle_read(struct tuff_ctx *ctx, const struct tuff_pickle_params *params,
                                  const uint8_t *bytes, size_t size, size_t *used, value **root)
{
    struct machine m = {.ctx = ctx, .params = params, .bytes = bytes, .size = size};
    m.size = TUFF_MIN(size, PICKLE_MAX);
    enum tuff_status status = TUFF_OK;
    while (!m.done && status == TUFF_OK)
        status = step(&m);
    if (status == TUFF_OK) {
        *used = m.at;
        *root = m.stack.items[0];
    }
    free(m.stack.items);
    free(m.memo.items);
    free(m.marks.items);
    return status;
}

const value *tuff_pickle_find(const value *dict, const char *key)
{
    for (size_t i = 0; dict && dict->kind == TUFF_PICKLE_DICT && i + 1 < dict->n; i += 2)
        if (dict->items[i]->kind == TUFF_PICKLE_TEXT && !strcmp(dict->items[i]->text, key))
            return dict->items[i + 1];
    return NULL;
}

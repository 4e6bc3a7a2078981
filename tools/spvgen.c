/* spvgen: compiles one shader's variants and writes them as C.
 *
 *     spvgen GLSLANG INCLUDE_DIR FAMILY/NAME.comp OUT.inc [DEPFILE]
 *
 * Variants are the shader's lines `//! variant NAME -DX=1 -DY`; without any there is one, unnamed.
 * A kernel is called "FAMILY/NAME" or "FAMILY/NAME.VARIANT". -DSG=n of a variant is also recorded
 * as the subgroup size it is made for. From the SPIR-V it reads the push-constant struct, and
 * writes a _Static_assert for each member's offset against the C struct of the same name; debug
 * names are then stripped. A build tool: it may exit. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MEMBERS 64

static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "spvgen: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        die("cannot open %s", path);
    char *data = NULL;
    size_t n = 0, cap = 0;
    for (;;) {
        if (cap - n < 4096 && !(data = realloc(data, cap += 1 << 16)))
            die("out of memory");
        size_t got = fread(data + n, 1, cap - n - 1, file);
        if (!got)
            break;
        n += got;
    }
    fclose(file);
    data[n] = 0;
    *size = n;
    return data;
}

struct module {
    uint32_t *words;
    size_t n;
    uint32_t struct_id;
    char struct_name[128];
    char members[MAX_MEMBERS][64];
    uint32_t offsets[MAX_MEMBERS];
    int n_members;
    unsigned texel_views, storage_views;
};

enum { OP_NAME = 5, OP_MEMBER_NAME = 6, OP_LINE = 8, OP_SOURCE = 3, OP_SOURCE_EXTENSION = 4,
       OP_STRING = 7, OP_TYPE_POINTER = 32, OP_VARIABLE = 59, OP_DECORATE = 71,
       OP_MEMBER_DECORATE = 72, OP_NO_LINE = 317 };
enum { STORAGE_UNIFORM_CONSTANT = 0, STORAGE_PUSH_CONSTANT = 9, STORAGE_BUFFER = 12 };
enum { DECORATION_OFFSET = 35 };

#define EACH(m, at, op, count)                                                                     \
    for (size_t at = 5, op, count;                                                                 \
         at < (m)->n && (op = (m)->words[at] & 0xffff, count = (m)->words[at] >> 16, count > 0);   \
         at += count)

static void find_params(struct module *m)
{
    uint32_t pointer = 0;
    EACH(m, i, op, n) {
        (void) n;
        if (op == OP_VARIABLE && m->words[i + 3] == STORAGE_PUSH_CONSTANT)
            pointer = m->words[i + 1];
    }
    EACH(m, i, op, n) {
        (void) n;
        if (op == OP_TYPE_POINTER && m->words[i + 1] == pointer)
            m->struct_id = m->words[i + 3];
    }
    EACH(m, i, op, n) {
        (void) n;
        if (op == OP_NAME && m->struct_id && m->words[i + 1] == m->struct_id)
            snprintf(m->struct_name, sizeof m->struct_name, "%s", (char *) &m->words[i + 2]);
        /* Variables of these classes are the shader's bindings: samplerBuffer, buffer block. */
        m->texel_views += op == OP_VARIABLE && m->words[i + 3] == STORAGE_UNIFORM_CONSTANT;
        m->storage_views += op == OP_VARIABLE && m->words[i + 3] == STORAGE_BUFFER;
        if ((op != OP_MEMBER_NAME && op != OP_MEMBER_DECORATE) || !m->struct_id ||
            m->words[i + 1] != m->struct_id)
            continue;
        uint32_t member = m->words[i + 2];
        if (member >= MAX_MEMBERS)
            die("more than %d parameters", MAX_MEMBERS);
        if ((int) member >= m->n_members)
            m->n_members = (int) member + 1;
        if (op == OP_MEMBER_NAME)
            snprintf(m->members[member], 64, "%s", (char *) &m->words[i + 3]);
        else if (m->words[i + 3] == DECORATION_OFFSET)
            m->offsets[member] = m->words[i + 4];
    }
}

static void strip(struct module *m)
{
    size_t out = 5;
    EACH(m, i, op, n) {
        if (op == OP_NAME || op == OP_MEMBER_NAME || op == OP_LINE || op == OP_SOURCE ||
            op == OP_SOURCE_EXTENSION || op == OP_STRING || op == OP_NO_LINE)
            continue;
        memmove(&m->words[out], &m->words[i], n * 4);
        out += n;
    }
    m->n = out;
}

static void emit(FILE *out, const char *kernel, const char *flags, int index, struct module *m)
{
    const char *sg = strstr(flags, "-DSG=");
    fprintf(out, "#ifdef TUFF_KERNEL_CODE\n");
    for (int i = 0; i < m->n_members; i++)
        fprintf(out, "_Static_assert(offsetof(struct %s, %s) == %u, \"%s: %s\");\n", m->struct_name,
                m->members[i], m->offsets[i], kernel, m->members[i]);
    if (m->n_members)
        fprintf(out, "_Static_assert(sizeof(struct %s) <= 128, \"%s\");\n", m->struct_name, kernel);
    fprintf(out, "static const uint32_t KERNEL_SYMBOL(%d)[] = {", index);
    for (size_t i = 0; i < m->n; i++)
        fprintf(out, "%s0x%08x,", i % 10 ? "" : "\n", m->words[i]);
    fprintf(out, "\n};\n#endif\n#ifdef TUFF_KERNEL_ROW\n");
    fprintf(out, "{\"%s\", KERNEL_SYMBOL(%d), %zu, ", kernel, index, m->n);
    if (m->n_members)
        fprintf(out, "sizeof(struct %s)", m->struct_name);
    else
        fprintf(out, "0");
    fprintf(out, ", %u, %u, %d},\n#endif\n", m->texel_views, m->storage_views,
            sg ? atoi(sg + 5) : 0);
}

static void compile(const char *glslang, const char *include, const char *source, const char *flags,
                    const char *out_path, struct module *m)
{
    char spv[1024], command[4096];
    snprintf(spv, sizeof spv, "%s.spv", out_path);
    snprintf(command, sizeof command,
             "'%s' --quiet --target-env vulkan1.2 -S comp -I'%s' %s -o '%s' '%s/%s' >'%s.log' 2>&1",
             glslang, include, flags, spv, include, source, spv);
    if (system(command) != 0) {
        char log[1100];
        size_t size;
        snprintf(log, sizeof log, "%s.log", spv);
        die("%s %s\n%s", source, flags, read_file(log, &size));
    }
    size_t size;
    m->words = (uint32_t *) read_file(spv, &size);
    m->n = size / 4;
    if (m->n < 5 || m->words[0] != 0x07230203)
        die("%s: no SPIR-V came out", source);
}

/* Headers named by #include, for the rebuild rule and for the C struct. */
static void includes(FILE *out, FILE *dep, const char *include, const char *path)
{
    char full[1024];
    size_t size;
    snprintf(full, sizeof full, "%s/%s", include, path);
    fprintf(dep, " %s", full);
    char *text = read_file(full, &size);
    for (char *at = text; (at = strstr(at, "#include \"")); at++) {
        char name[512];
        if (sscanf(at, "#include \"%511[^\"]\"", name) != 1)
            continue;
        size_t n = strlen(name);
        if (n > 2 && !strcmp(name + n - 2, ".h"))
            fprintf(out, "#ifdef TUFF_KERNEL_CODE\n#include \"%s\"\n#endif\n", name);
        includes(out, dep, include, name);
    }
    free(text);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        die("usage: spvgen GLSLANG INCLUDE_DIR FAMILY/NAME.comp OUT.inc [DEPFILE]");
    const char *glslang = argv[1], *include = argv[2], *source = argv[3], *out_path = argv[4];
    FILE *out = fopen(out_path, "w"), *dep = fopen(argc > 5 ? argv[5] : "/dev/null", "w");
    if (!out || !dep)
        die("cannot write %s", out_path);
    fprintf(dep, "%s:", out_path);
    includes(out, dep, include, source);
    fprintf(dep, "\n");
    fclose(dep);

    char path[1024], base[512];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", include, source);
    char *text = read_file(path, &size);
    snprintf(base, sizeof base, "%.*s", (int) (strlen(source) - strlen(".comp")), source);
    int index = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char variant[64], kernel[600];
        int used = 0;
        if (sscanf(line, "//! variant %63s%n", variant, &used) != 1)
            continue;
        struct module m = {0};
        snprintf(kernel, sizeof kernel, "%s.%s", base, variant);
        compile(glslang, include, source, line + used, out_path, &m);
        find_params(&m);
        strip(&m);
        emit(out, kernel, line + used, index++, &m);
    }
    if (!index) {
        struct module m = {0};
        compile(glslang, include, source, "", out_path, &m);
        find_params(&m);
        strip(&m);
        emit(out, base, "", 0, &m);
    }
    if (fclose(out) != 0)
        die("cannot write %s", out_path);
    return 0;
}

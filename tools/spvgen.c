/* spvgen: compiles one shader's variants and writes them as C.
 *
 *     spvgen GLSLANG INCLUDE_DIR FAMILY/NAME.comp OUT.inc [DEPFILE]
 *     spvgen --prebuild GLSLANG INCLUDE_DIR FAMILY/NAME.comp
 *     spvgen --check INCLUDE_DIR FAMILY/NAME.comp
 *
 * Variants are the shader's lines `//! variant NAME -DX=1 -DY`; without any there is one, unnamed.
 * A kernel is called "FAMILY/NAME.VARIANT", or "FAMILY/NAME" if it has none or one named "-". -DSG=n of a variant is also recorded
 * as the subgroup size it is made for. From the SPIR-V it reads the push-constant struct, and
 * writes a _Static_assert for each member's offset against the C struct of the same name; debug
 * names are then stripped. glslang before 14 or so gives the load of a pointer the alignment of what it
 * points to; it is set to that of an address, which is what the C struct gives it.
 *
 * `//! full_subgroups N`: specialization constant N is the subgroup size that pipelines require.
 *
 * `//! needs EXTENSION ...`: compilers may be too old for these. Where GLSLANG knows one of them not,
 * the SPIR-V of INCLUDE_DIR/prebuilt/FAMILY/NAME.VARIANT.spv is taken, provided that the .hash beside it
 * is the source's (without comments and spaces, includes and flags with it). --prebuild writes these
 * files, --check only compares the hashes. A build tool: it may exit. */
#include <stdarg.h>
#include <stdbool.h>
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
enum { OP_LOAD = 61 };
enum { STORAGE_PHYSICAL = 5349, MEMORY_ALIGNED = 2, ADDRESS_BYTES = 8 };

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

static bool is_pointer_type(const struct module *m, uint32_t type)
{
    EACH(m, i, op, n) {
        if (op == OP_TYPE_POINTER && n == 4 && m->words[i + 1] == type)
            return m->words[i + 2] == STORAGE_PHYSICAL;
    }
    return false;
}

/* Loads with an alignment are those through an address; a pointer loaded so lies in memory too. */
static void align_pointers(struct module *m)
{
    EACH(m, i, op, n) {
        if (op == OP_LOAD && n > 5 && m->words[i + 4] & MEMORY_ALIGNED &&
            m->words[i + 5] < ADDRESS_BYTES && is_pointer_type(m, m->words[i + 1]))
            m->words[i + 5] = ADDRESS_BYTES;
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

static void emit(FILE *out, const char *kernel, const char *flags, int index, int subgroup_spec,
                 struct module *m)
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
    fprintf(out, ", %u, %u, %d, %d},\n#endif\n", m->texel_views, m->storage_views,
            sg ? atoi(sg + 5) : 0, subgroup_spec);
}

/* ---- SPIR-V made elsewhere ---- */

#define NEEDS "//! needs "

/* FNV-1a over what a compiler sees: no comments, no spaces. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (const char *at = text; *at; at++) {
        if (at[0] == '/' && at[1] == '/') {
            at += strcspn(at, "\n");
            if (!*at)
                break;
        } else if (at[0] == '/' && at[1] == '*') {
            at = strstr(at, "*/");
            if (!at)
                break;
            at++;
            continue;
        }
        if (!strchr(" \t\r\n", *at))
            hash = (hash ^ (unsigned char) *at) * 0x100000001b3u;
    }
    return hash;
}

static uint64_t hash_source(uint64_t hash, const char *include, const char *path)
{
    char full[1024];
    size_t size;
    snprintf(full, sizeof full, "%s/%s", include, path);
    char *text = read_file(full, &size);
    hash = hash_text(hash, text);
    for (char *at = text; (at = strstr(at, "#include \"")); at++) {
        char name[512];
        if (sscanf(at, "#include \"%511[^\"]\"", name) == 1)
            hash = hash_source(hash, include, name);
    }
    free(text);
    return hash;
}

/* What the .hash file should hold. */
static void expected_hash(const char *include, const char *source, const char *flags, char hex[17])
{
    uint64_t hash = hash_text(0xcbf29ce484222325u, flags);
    snprintf(hex, 17, "%016llx", (unsigned long long) hash_source(hash, include, source));
}

static void prebuilt_path(char path[1024], const char *include, const char *kernel,
                          const char *suffix)
{
    snprintf(path, 1024, "%s/prebuilt/%s.%s", include, kernel, suffix);
}

static void check_prebuilt(const char *include, const char *source, const char *kernel,
                           const char *flags)
{
    char path[1024], hex[17];
    size_t size;
    expected_hash(include, source, flags, hex);
    prebuilt_path(path, include, kernel, "hash");
    if (strncmp(read_file(path, &size), hex, 16) != 0)
        die("shaders/prebuilt/%s.spv was made of another %s or of other files it includes; "
            "tools/prebuild makes it anew", kernel, source);
}

/* Did the compiler not know one of the extensions that the source needs? */
static int too_old(const char *log, const char *source_text)
{
    const char *needs = strstr(source_text, NEEDS);
    char words[512], *word = words;
    if (!needs)
        return 0;
    needs += strlen(NEEDS);
    snprintf(words, sizeof words, "%.*s", (int) strcspn(needs, "\n"), needs);
    for (word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        char text[600];
        snprintf(text, sizeof text, "extension not supported: %s", word);
        if (strstr(log, text))
            return 1;
    }
    return 0;
}

struct job {
    const char *glslang, *include, *source, *out;
    FILE *dep; /* what OUT is made of, for the rebuild rule */
};

/* Leaves SPIR-V in path `spv`; NULL, or what the compiler said. */
static char *run_compiler(const struct job *job, const char *flags, const char *spv)
{
    char command[4096], log[1100];
    size_t size;
    snprintf(command, sizeof command,
             "'%s' --quiet --target-env vulkan1.2 -S comp -I'%s' %s -o '%s' '%s/%s' >'%s.log' 2>&1",
             job->glslang, job->include, flags, spv, job->include, job->source, spv);
    if (system(command) == 0)
        return NULL;
    snprintf(log, sizeof log, "%s.log", spv);
    return read_file(log, &size);
}

static void compile(const struct job *job, const char *text, const char *kernel, const char *flags,
                    struct module *m)
{
    char spv[1024];
    snprintf(spv, sizeof spv, "%s.spv", job->out);
    char *log = run_compiler(job, flags, spv);
    if (log && !too_old(log, text))
        die("%s %s\n%s", job->source, flags, log);
    if (log) {
        check_prebuilt(job->include, job->source, kernel, flags);
        prebuilt_path(spv, job->include, kernel, "hash");
        fprintf(job->dep, " %s", spv);
        prebuilt_path(spv, job->include, kernel, "spv");
    }
    size_t size;
    m->words = (uint32_t *) read_file(spv, &size);
    m->n = size / 4;
    if (m->n < 5 || m->words[0] != 0x07230203)
        die("%s: no SPIR-V came out", job->source);
}

static void prebuild(const struct job *job, const char *kernel, const char *flags)
{
    char path[1024], hex[17], *log;
    prebuilt_path(path, job->include, kernel, "spv");
    if ((log = run_compiler(job, flags, path)))
        die("%s %s\n%s", job->source, flags, log);
    strcat(path, ".log");
    remove(path);
    expected_hash(job->include, job->source, flags, hex);
    prebuilt_path(path, job->include, kernel, "hash");
    FILE *out = fopen(path, "w");
    if (!out || fprintf(out, "%s\n", hex) < 0 || fclose(out) != 0)
        die("cannot write %s", path);
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

enum mode { BUILD, PREBUILD, CHECK };

static void do_variant(enum mode mode, const struct job *job, const char *text, FILE *out,
                       const char *kernel, const char *flags, int index)
{
    const char *full = strstr(text, "//! full_subgroups ");
    struct module m = {0};
    if (mode == PREBUILD)
        prebuild(job, kernel, flags);
    else if (mode == CHECK)
        check_prebuilt(job->include, job->source, kernel, flags);
    if (mode != BUILD)
        return;
    compile(job, text, kernel, flags, &m);
    find_params(&m);
    align_pointers(&m);
    strip(&m);
    emit(out, kernel, flags, index, full ? atoi(full + strlen("//! full_subgroups ")) : 0, &m);
    free(m.words);
}

static void do_variants(enum mode mode, const struct job *job, FILE *out)
{
    char path[1024], base[512];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", job->include, job->source);
    char *text = read_file(path, &size), *lines = read_file(path, &size);
    snprintf(base, sizeof base, "%.*s", (int) (strlen(job->source) - strlen(".comp")), job->source);
    int index = 0;
    if (mode != BUILD && !strstr(text, NEEDS))
        die("%s needs no prebuilding: it has no line `" NEEDS "EXTENSION`", job->source);
    for (char *line = lines, *next; line; line = next) {
        char variant[64], kernel[600];
        int used = 0;
        if ((next = strchr(line, '\n')))
            *next++ = 0;
        if (sscanf(line, "//! variant %63s%n", variant, &used) != 1)
            continue;
        if (!strcmp(variant, "-"))
            snprintf(kernel, sizeof kernel, "%s", base);
        else
            snprintf(kernel, sizeof kernel, "%s.%s", base, variant);
        do_variant(mode, job, text, out, kernel, line + used, index++);
    }
    if (!index)
        do_variant(mode, job, text, out, base, "", 0);
    free(text);
    free(lines);
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "--prebuild")) {
        do_variants(PREBUILD, &(struct job) {argv[2], argv[3], argv[4], NULL, NULL}, NULL);
        return 0;
    }
    if (argc == 4 && !strcmp(argv[1], "--check")) {
        do_variants(CHECK, &(struct job) {NULL, argv[2], argv[3], NULL, NULL}, NULL);
        return 0;
    }
    if (argc < 5)
        die("usage: spvgen GLSLANG INCLUDE_DIR FAMILY/NAME.comp OUT.inc [DEPFILE]");
    FILE *dep = fopen(argc > 5 ? argv[5] : "/dev/null", "w");
    struct job job = {argv[1], argv[2], argv[3], argv[4], dep};
    FILE *out = fopen(job.out, "w");
    if (!out || !dep)
        die("cannot write %s", job.out);
    fprintf(dep, "%s:", job.out);
    includes(out, dep, job.include, job.source);
    do_variants(BUILD, &job, out);
    fprintf(dep, "\n");
    if (fclose(out) != 0 || fclose(dep) != 0)
        die("cannot write %s", job.out);
    return 0;
}

/* Chat templates as transformers' jinja2 environment renders them (tools/golden/templates.py): whole
 * templates over conversations with system and tool turns, and a construct at a time; what it
 * refuses is refused with a line that names the template and the line in it. */
#include "base/json.h"
#include "test.h"
#include "tuff/template.h"

static struct tuff_ctx *ctx;

static void check(const char *name, const char *text, size_t n, const char *variables, double now,
                  const json_t *wanted)
{
    struct tuff_template *tpl = NULL;
    const char *output = json_string_value(json_object_get(wanted, "output"));
    char *got = NULL;
    size_t n_got = 0;
    enum tuff_status status = tuff_template_create(ctx, name, text, n, &tpl);
    if (status == TUFF_OK)
        status = tuff_template_render(ctx, tpl, variables, strlen(variables),
                                      &(struct tuff_template_params) {.now = now}, &got, &n_got);
    if (output) {
        CHECK_MSG(status == TUFF_OK, "%s: %s\n  %.200s", name, tuff_error_text(ctx), text);
        CHECK_MSG(!got || !strcmp(got, output), "%s: %.100s\n  wanted %s\n  got    %s", name, text,
                  output, got);
        CHECK(!got || n_got == strlen(got));
    } else {
        CHECK_MSG(status != TUFF_OK, "%s: rendered what jinja2 refuses: %s\n  %.200s", name, got,
                  text);
        CHECK_MSG(strstr(tuff_error_text(ctx), name) && strstr(tuff_error_text(ctx), "line "),
                  "%s: %s", name, tuff_error_text(ctx));
        CHECK(!got);
    }
    free(got);
    tuff_template_destroy(tpl);
}

static json_t *load(const char *name)
{
    json_t *root = NULL;
    char path[512];
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/golden/templates/%s", name);
    CHECK_OK(ctx, tuff_json_load(ctx, path, &root));
    return root;
}

static char *read_template(const char *name, size_t *n)
{
    char path[512], *text = calloc(1, 1 << 16);
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/golden/templates/%s", name);
    FILE *file = fopen(path, "rb");
    CHECK(file && text);
    *n = file ? fread(text, 1, (1 << 16) - 1, file) : 0;
    if (file)
        fclose(file);
    return text;
}

static void test_templates(void)
{
    json_t *root = load("golden.json"), *one;
    size_t i, rendered = 0;
    json_array_foreach(json_object_get(root, "cases"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "template"));
        const char *conversation = json_string_value(json_object_get(one, "conversation"));
        char label[128], *text, *variables;
        size_t n;
        snprintf(label, sizeof label, "%s (%s)", name, conversation);
        text = read_template(name, &n);
        variables = json_dumps(json_object_get(json_object_get(root, "conversations"), conversation),
                               JSON_COMPACT);
        check(label, text, n, variables, json_number_value(json_object_get(root, "now")), one);
        rendered += json_object_get(one, "output") != NULL;
        free(text);
        free(variables);
    }
    CHECK(rendered > 200);
    json_decref(root);
}

static void test_snippets(void)
{
    json_t *root = load("snippets.json"), *one;
    char *variables = json_dumps(json_object_get(root, "variables"), JSON_COMPACT);
    size_t i;
    json_array_foreach(json_object_get(root, "cases"), i, one)
    {
        const char *text = json_string_value(json_object_get(one, "template"));
        check("snippet", text, strlen(text), variables,
              json_number_value(json_object_get(root, "now")), one);
    }
    CHECK(json_array_size(json_object_get(root, "cases")) > 100);
    free(variables);
    json_decref(root);
}

/* The refusal names what and where. */
static void refused(const char *text, enum tuff_status wanted, const char *part)
{
    struct tuff_template *tpl = NULL;
    char *got = NULL;
    enum tuff_status status = tuff_template_create(ctx, "t", text, strlen(text), &tpl);
    if (status == TUFF_OK)
        status = tuff_template_render(ctx, tpl, "{\"n\": 1}", 8, NULL, &got, NULL);
    CHECK_MSG(status == wanted && strstr(tuff_error_text(ctx), part), "%s: %s (%s), not \"%s\"",
              text, tuff_error_text(ctx), tuff_status_name(status), part);
    free(got);
    tuff_template_destroy(tpl);
}

static void test_errors(void)
{
    refused("a\n{% include 'x' %}", TUFF_E_UNSUPPORTED, "line 2: the statement \"include\"");
    refused("a\n\n{{ n | nope }}", TUFF_E_UNSUPPORTED, "line 3: there is no filter \"nope\"");
    refused("{{ n is nope }}", TUFF_E_UNSUPPORTED, "line 1: there is no test \"nope\"");
    refused("{% for x in [] recursive %}{% endfor %}", TUFF_E_UNSUPPORTED, "recursive");
    refused("{{ 99999999999999999999 }}", TUFF_E_UNSUPPORTED, "64 bits");
    refused("{{ 9223372036854775807 + n }}", TUFF_E_UNSUPPORTED, "64 bits");
    refused("\n{{ raise_exception('no such turn') }}", TUFF_E_ARG, "line 2: no such turn");
    refused("{% if n %}\n{{ missing.role }}\n{% endif %}", TUFF_E_FORMAT,
            "line 2: missing is undefined");
    refused("{{ [] + {} }}", TUFF_E_FORMAT, "a list and a dict");
}

/* Time, memory and depth are bounded, whatever the template does. */
static void test_bounds(void)
{
    char deep[4000] = "{{ ";
    refused("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            TUFF_E_RANGE, "too much memory");
    refused("{% set ns = namespace(s='x') %}{% for a in range(60) %}{% set ns.s = ns.s ~ ns.s %}"
            "{% endfor %}", TUFF_E_RANGE, "too much memory");
    refused("{{ 'x' * 1000000000000 }}", TUFF_E_RANGE, "too much memory");
    refused("{{ ('x' * 100000) | replace('', 'x' * 100000) }}", TUFF_E_RANGE, "too");
    refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", TUFF_E_RANGE, "too deeply");
    refused("{% set ns = namespace(l=[]) %}{% for a in range(500) %}{% set ns.l = [ns.l] %}"
            "{% endfor %}{{ ns.l }}", TUFF_E_RANGE, "too deeply");
    for (int i = 0; i < 500; i++)
        strcat(deep, i < 499 ? "-(" : "1");
    refused(deep, TUFF_E_FORMAT, "nested too deeply");
    strcpy(deep, "{{ 1");
    for (int i = 0; i < 900; i++)
        strcat(deep, "+n");
    strcat(deep, " }}");
    refused(deep, TUFF_E_UNSUPPORTED, "operators on one another");
    struct tuff_template *tpl = NULL;
    char *got = NULL;
    CHECK_OK(ctx, tuff_template_create(ctx, "t", "{{ 'x' * 1000 }}", 16, &tpl));
    CHECK(tuff_template_render(ctx, tpl, "{}", 2,
                               &(struct tuff_template_params) {.max_memory = 500}, &got, NULL) ==
          TUFF_E_RANGE);
    CHECK(tuff_template_render(ctx, tpl, "{}", 2, &(struct tuff_template_params) {.max_steps = 20},
                               &got, NULL) == TUFF_E_RANGE &&
          strstr(tuff_error_text(ctx), "takes too long"));
    CHECK_OK(ctx, tuff_template_render(ctx, tpl, "{}", 2, NULL, &got, NULL));
    free(got);
    CHECK(tuff_template_render(ctx, tpl, "[]", 2, NULL, &got, NULL) == TUFF_E_FORMAT);
    CHECK(tuff_template_render(ctx, tpl, "{", 1, NULL, &got, NULL) == TUFF_E_FORMAT);
    tuff_template_destroy(tpl);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    ctx = tuff_ctx_create(NULL);
    test_snippets();
    test_templates();
    test_errors();
    test_bounds();
    tuff_ctx_destroy(ctx);
    return test_end();
}

/* Instruction data: every form gives its conversation, the tokens that count are the answers' and no
 * others, and what is wrong gets a line that names it. */
#include "base/base.h"
#include "base/os.h"
#include "data/record.h"
#include "test.h"
#include "tuff/sft.h"

#define FOLDER TEST_BINARY_DIR "/sft"
#define TEMPLATE                                                                                   \
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token if m.role == 'assistant' }}" \
    "\n{% endfor %}{{ '<assistant>' if add_generation_prompt }}"

static struct tuff_ctx *ctx;
static struct tuff_tokenizer *tok;

static void write_file(const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, FOLDER "/%s", name);
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, text, strlen(text)));
}

static void make_tokenizer(void)
{
    static const char *const end[] = {"<end>"};
    const char *path = FOLDER "/text";
    write_file("text", "one two three four five six one two three 天地 user assistant\n");
    CHECK_OK(ctx, tuff_bpe_train(ctx,
                                 &(struct tuff_bpe_train_params) {.vocab_size = 280,
                                                                  .special_tokens = end,
                                                                  .n_special_tokens = 1},
                                 &path, 1, &tok));
}

static const char *fields; /* of the next load */

static enum tuff_status load(const char *name, int64_t context, bool cut,
                             struct tuff_examples **e, struct tuff_sft_report *r)
{
    char path[400];
    const char *paths = path;
    snprintf(path, sizeof path, FOLDER "/%s", name);
    CHECK_OK(ctx, tuff_examples_create(ctx, e));
    return tuff_sft_load(ctx,
                         &(struct tuff_sft_params) {.data = &paths, .n_data = 1, .model = FOLDER,
                                                    .fields = fields, .tokenizer = tok, .end_token = 0,
                                                    .context = context, .cut = cut},
                         *e, r);
}

/* The text of an example, its counted tokens between [ and ]. */
static void spell(const struct tuff_example *x, char *to, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < x->n;) {
        size_t end = i;
        char *text = NULL;
        while (end < x->n && x->counts[end] == x->counts[i])
            end++;
        CHECK_OK(ctx, tuff_tokenizer_decode(ctx, tok, x->ids + i, end - i, TUFF_DECODE_KEEP_SPECIAL,
                                            &text, NULL));
        at += (size_t) snprintf(to + at, size - at, x->counts[i] ? "[%s]" : "%s", text);
        free(text);
        i = end;
    }
}

static void test_forms(void)
{
    static const struct {
        const char *record, *want;
    } cases[] = {
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"one\"},{\"role\":\"assistant\","
         "\"content\":\"two\"}]}",
         "<user>one\n<assistant>[two<end>]\n"},
        {"{\"conversations\":[{\"from\":\"human\",\"value\":\"one\"},{\"from\":\"gpt\",\"value\":"
         "\"two\"},{\"from\":\"human\",\"value\":\"three\"},{\"from\":\"gpt\",\"value\":\"four\"}],"
         "\"id\":7}",
         "<user>one\n<assistant>[two<end>]\n<user>three\n<assistant>[four<end>]\n"},
        {"{\"instruction\":\"one\",\"input\":\"two\",\"output\":\"three four\"}",
         "<user>one\ntwo\n<assistant>[three four<end>]\n"},
        {"{\"instruction\":\"one\",\"input\":\"\",\"output\":\"two\",\"system\":\"six\"}",
         "<system>six\n<user>one\n<assistant>[two<end>]\n"},
        {"{\"instruction\":\"Human:one\\nAssistant:two\\nHuman: three\\nAssistant:\",\"output\":"
         "\"four\"}",
         "<user>one\n<assistant>[two<end>]\n<user>three\n<assistant>[four<end>]\n"},
        {"{\"prompt\":\"one\",\"completion\":\"two\"}", "<user>one\n<assistant>[two<end>]\n"},
        {"{\"question\":\"天\",\"answer\":\"地\"}", "<user>天\n<assistant>[地<end>]\n"},
        {"{\"messages\":[{\"role\":\"system\",\"content\":\"six\"},{\"role\":\"user\",\"content\":"
         "\"one\"},{\"role\":\"assistant\",\"content\":\"two\\nthree\"}]}",
         "<system>six\n<user>one\n<assistant>[two\nthree<end>]\n"}};
    struct tuff_text lines = {0}, array = {0};
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        tuff_text_printf(&lines, "%s\n%s", cases[i].record, i % 2 ? "\n" : "");
        tuff_text_printf(&array, "%s%s", i ? ",\n" : " \n[", cases[i].record);
    }
    tuff_text_printf(&array, "]");
    write_file("forms.jsonl", lines.s);
    write_file("forms.json", array.s);
    tuff_text_fini(&lines);
    tuff_text_fini(&array);
    uint64_t sums[2];
    for (int form = 0; form < 2; form++) {
        struct tuff_examples *e;
        struct tuff_sft_report r;
        CHECK_OK(ctx, load(form ? "forms.json" : "forms.jsonl", 200, false, &e, &r));
        CHECK(r.used == TUFF_COUNT(cases) && r.records == r.used && !r.empty && !r.longer);
        for (size_t i = 0; i < tuff_examples_count(e); i++) {
            char text[400];
            struct tuff_example x = tuff_examples_get(e, i);
            spell(&x, text, sizeof text);
            CHECK_MSG(!strcmp(text, cases[i].want), "%s: \"%s\"", cases[i].record, text);
            /* bytes of the answers with their end tokens, which the wanted text brackets */
            size_t bytes = 0;
            for (const char *c = strchr(cases[i].want, '['); c; c = strchr(c + 1, '['))
                bytes += strcspn(c + 1, "]");
            CHECK_MSG(x.bytes == bytes, "%zu bytes, not %zu", (size_t) x.bytes, bytes);
        }
        sums[form] = tuff_examples_checksum(e);
        tuff_examples_destroy(e);
    }
    CHECK(sums[0] == sums[1]);
}

static void test_wrong(void)
{
    static const char good[] = "{\"instruction\":\"one\",\"output\":\"two\"}";
    static const struct {
        const char *record, *what;
    } cases[] = {
        {"{\"text\":\"one\"}", ":2: not instruction data"},
        {"{\"instruction\":\"one\",\"output\":5}", ":2: not instruction data"},
        {"[1]", ":2: not instruction data"},
        {"{\"messages\":[{\"role\":\"king\",\"content\":\"a\"}]}", "role \"king\""},
        {"{\"messages\":[{\"role\":\"user\"}]}", "[0]: no text \"content\""},
        {"{\"messages\":[7]}", "role \"\""},
        {"{\"instruction\":", ":2"}};
    struct tuff_examples *e;
    struct tuff_sft_report r;
    char text[600];
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        snprintf(text, sizeof text, "%s\n%s\n", good, cases[i].record);
        write_file("wrong.jsonl", text);
        CHECK_MSG(load("wrong.jsonl", 100, false, &e, &r) == TUFF_E_FORMAT &&
                      strstr(tuff_error_text(ctx), cases[i].what),
                  "%s: %s", cases[i].record, tuff_error_text(ctx));
        tuff_examples_destroy(e);
    }
    /* left out and counted: no answer, an empty one, no question, and one that is too long */
    snprintf(text, sizeof text, "%s\n{\"instruction\":\"one\",\"output\":\" \"}\n"
             "{\"messages\":[{\"role\":\"user\",\"content\":\"one\"}]}\n"
             "{\"messages\":[{\"role\":\"assistant\",\"content\":\"one\"}]}\n"
             "{\"instruction\":\"one\",\"output\":\"six six six six six six six six six six six\"}\n",
             good);
    write_file("some.jsonl", text);
    for (int cut = 0; cut < 2; cut++) {
        CHECK_OK(ctx, load("some.jsonl", 40, cut, &e, &r));
        CHECK(r.records == 5 && r.empty == 3 && r.longer == 1 && r.used == (cut ? 2u : 1u));
        CHECK(strstr(r.first_empty, "some.jsonl:2") && strstr(r.first_longer, "some.jsonl:5, "));
        CHECK(!cut || tuff_examples_get(e, 1).n == 41);
        tuff_examples_destroy(e);
    }
    CHECK(load("some.jsonl", 3, false, &e, &r) == TUFF_E_ARG &&
          strstr(tuff_error_text(ctx), "2 are longer than 3"));
    tuff_examples_destroy(e);
    CHECK(load("none.jsonl", 3, false, &e, &r) == TUFF_E_IO);
    tuff_examples_destroy(e);
    /* a template that writes the beginning in another way once there is an answer */
    write_file("chat_template.jinja", "{{ messages | length }}{% for m in messages %}{{ m.content }}"
               "{% endfor %}");
    CHECK(load("forms.jsonl", 100, false, &e, &r) == TUFF_E_FORMAT &&
          strstr(tuff_error_text(ctx), "forms.jsonl:1: " FOLDER "/chat_template.jinja writes the beginning"));
    tuff_examples_destroy(e);
}

/* Records with other names, tables, and a folder of them. */
static void test_fields(void)
{
    static const struct {
        const char *fields, *file, *content, *want; /* "!...": the refusal */
    } cases[] = {
        {"prompt=q.text,answer=answers.0", "m.jsonl",
         "{\"q\":{\"text\":\"one\"},\"answers\":[\"two\",\"six\"]}",
         "<user>one\n<assistant>[two<end>]\n"},
        {"system=who,prompt=q,input=more,answer=a", "m.jsonl",
         "{\"who\":\"six\",\"q\":\"one\",\"more\":\"two\",\"a\":\"three\"}",
         "<system>six\n<user>one\ntwo\n<assistant>[three<end>]\n"},
        {"messages=log.turns", "m.json",
         "[{\"log\":{\"turns\":[{\"from\":\"human\",\"value\":\"one\"},{\"from\":\"gpt\",\"value\":\"two\"}]}}]",
         "<user>one\n<assistant>[two<end>]\n"},
        {"prompt=q,answer=a", "m.csv", "a,q\n\"two\nthree\",one\n",
         "<user>one\n<assistant>[two\nthree<end>]\n"},
        {NULL, "m.tsv", "instruction\tinput\toutput\none\t\ttwo\n", "<user>one\n<assistant>[two<end>]\n"},
        {NULL, "shards", "", "<user>one\n<assistant>[two<end>]\n"},
        {"prompt=q.text,answer=a", "m.jsonl", "{\"q\":{\"txt\":\"one\"},\"a\":\"two\"}",
         "!m.jsonl:1: no field \"q.text\"; in \"q\" there are \"txt\""},
        {"prompt=q,answer=a", "m.jsonl", "{\"q\":7,\"a\":\"two\"}", "!m.jsonl:1: field \"q\" is no text"},
        {"messages=q", "m.jsonl", "{\"q\":7}", "!m.jsonl:1: field \"q\" is no list"},
        {"prompt=q,answer=a", "m.csv", "a,question\ntwo,one\n",
         "!m.csv:2: no field \"q\"; there are \"a\", \"question\""},
        {NULL, "m.csv", "instruction,output\none,two,three\n", "!m.csv:2: 3 fields, the first row has 2"},
        {"prompt=q", "m.jsonl", "", "!fields: \"prompt=q\": prompt and answer go together"},
        {"prompt=q,answer=a,messages=m", "m.jsonl", "", "!or messages stands alone"},
        {"question=q,answer=a", "m.jsonl", "", "!fields: \"question\": NAME=PATH with a NAME of prompt"},
        {"prompt=,answer=a", "m.jsonl", "", "!NAME=PATH"}};
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER "/shards"));
    write_file("shards/a.jsonl", "{\"prompt\":\"one\",\"completion\":\"two\"}\n");
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        struct tuff_examples *e = NULL;
        struct tuff_sft_report r;
        char text[400] = "";
        bool refused = *cases[i].want == '!';
        if (strcmp(cases[i].file, "shards"))
            write_file(cases[i].file, *cases[i].content ? cases[i].content : "{}");
        fields = cases[i].fields;
        enum tuff_status status = load(cases[i].file, 200, false, &e, &r);
        if (status == TUFF_OK && tuff_examples_count(e)) {
            struct tuff_example x = tuff_examples_get(e, 0);
            spell(&x, text, sizeof text);
        }
        CHECK_MSG(refused ? status != TUFF_OK && strstr(tuff_error_text(ctx), cases[i].want + 1)
                          : status == TUFF_OK && !strcmp(text, cases[i].want),
                  "%s: \"%s\"; %s", cases[i].want, text, status == TUFF_OK ? "" : tuff_error_text(ctx));
        tuff_examples_destroy(e);
    }
    fields = NULL;
}

/* Bloom's manner, and what a checkpoint gets: read back it writes the same. */
static void test_without_template(void)
{
    struct tuff_sft_params p = {.model = FOLDER "/plain", .tokenizer = tok, .end_token = 0};
    char *text = NULL;
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER "/plain/saved"));
    CHECK_OK(ctx, tuff_sft_prompt(ctx, &p, "one", &text));
    CHECK(text && !strcmp(text, "Human: one\nAssistant:"));
    free(text);
    CHECK_OK(ctx, tuff_sft_save_form(ctx, &p, FOLDER "/plain/saved"));
    p.model = FOLDER "/plain/saved";
    p.end_token = -1;
    CHECK_OK(ctx, tuff_sft_prompt(ctx, &p, "one", &text));
    CHECK(text && !strcmp(text, "Human: one\nAssistant:"));
    free(text);
    p.model = FOLDER "/plain";
    CHECK(tuff_sft_prompt(ctx, &p, "one", &text) == TUFF_E_ARG &&
          strstr(tuff_error_text(ctx), "eos_token_id"));
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, FOLDER));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    make_tokenizer();
    write_file("chat_template.jinja", TEMPLATE);
    test_forms();
    test_fields();
    test_without_template();
    test_wrong();
    tuff_tokenizer_destroy(tok);
    tuff_ctx_destroy(ctx);
    return test_end();
}

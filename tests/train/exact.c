/* Exactness: stopped and resumed is the same to the bit for every optimizer, level of mixed precision and
 * kind of data; k micro-batches of b are one of k b within rounding. */
#include "base/os.h"

#define FOLDER TEST_BINARY_DIR "/train.exact.scratch"
#include "fit_case.h"
#include "tuff/io.h"
#include "tuff/train.h"

#define BERT TEST_SOURCE_DIR "/golden/tasks/fill-mask"
enum { SHORT = 6, STOP = 4 };

static const char *const records[] = {RUN("records.csv")};

static void write_records(struct tuff_ctx *ctx)
{
    static const char *const words[] = {"warm", "bad", "fine", "old", "new", "never"};
    char text[4096];
    size_t n = (size_t) snprintf(text, sizeof text, "label,text\n");
    for (size_t i = 0; i < 60; i++)
        n += (size_t) snprintf(text + n, sizeof text - n, "%s,this film was %s%s\n", i % 2 ? "down" : "up", words[i % 6],
                               i % 5 ? "" : " and the story too");
    CHECK_OK(ctx, tuff_os_write_file(ctx, records[0], text, n));
}

static enum tuff_fit_wish stop(void *user)
{
    int *step = user;
    return ++*step == STOP ? TUFF_FIT_SAVE_AND_STOP : TUFF_FIT_GO_ON;
}

static struct tuff_examples *make_examples(struct tuff_ctx *ctx)
{
    struct tuff_examples *examples;
    CHECK_OK(ctx, tuff_examples_create(ctx, &examples));
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t ids[16], n = 3 + i % 13;
        uint8_t counts[16];
        for (uint32_t k = 0; k < n; k++) {
            ids[k] = (i * 5 + k * 3) % VOCAB;
            counts[k] = k > n / 2;
        }
        CHECK_OK(ctx, tuff_examples_add(examples, ids, counts, n, n));
    }
    return examples;
}

/* Every file of both last checkpoints but the manifest, whose own numbers they are. */
static void check_same(struct tuff_ctx *ctx, const char *name, const char *a, const char *b)
{
    struct tuff_os_list list = {0};
    char folders[2][1024];
    size_t tensors = 0;
    snprintf(folders[0], sizeof folders[0], "%s/step-%08d", a, SHORT);
    snprintf(folders[1], sizeof folders[1], "%s/step-%08d", b, SHORT);
    CHECK_OK(ctx, tuff_os_list(ctx, folders[0], &list));
    for (size_t i = 0; i < list.n; i++) {
        tensors += strstr(list.items[i], ".safetensors") != NULL;
        CHECK_MSG(same_file(ctx, folders[0], folders[1], list.items[i]), "%s: other %s", name,
                  list.items[i]);
    }
    CHECK_MSG(tensors > 0, "%s: nothing to compare", name);
    tuff_os_list_free(&list);
}

static void test_resume(struct tuff_ctx *ctx, struct tuff_device *device)
{
    static const struct {
        const char *name;
        enum tuff_optimizer_kind kind;
        double momentum;
        int amp;
        enum tuff_dtype dtype;
        bool examples;
        double outliers, average; /* average: and the rate falls where evaluations get no better */
        bool pack;
        const char *lora; /* of what the first case made */
        int virtual_tokens;
        double neftune;
        const char *task; /* of records, on a BERT */
    } cases[] = {{"adamw", TUFF_ADAMW, 0, 0, TUFF_F32, true, 4},
                 {"adam O1 f16", TUFF_ADAM, 0, 1, TUFF_F16, false, 0},
                 {"sgd O2 bf16", TUFF_SGD, 0, 2, TUFF_BF16, true, 0},
                 {"sgd momentum O3 f16", TUFF_SGD, 0.9, 3, TUFF_F16, false, 0},
                 {"adagrad O1 bf16", TUFF_ADAGRAD, 0, 1, TUFF_BF16, false, 0},
                 {"rmsprop O3 bf16", TUFF_RMSPROP, 0.5, 3, TUFF_BF16, true, 0},
                 {"adadelta", TUFF_ADADELTA, 0, 0, TUFF_F32, false, 0},
                 {"lion O2 f16", TUFF_LION, 0, 2, TUFF_F16, true, 0},
                 {"adafactor", TUFF_ADAFACTOR, 0, 0, TUFF_F32, true, 0},
                 {"muon O1 bf16", TUFF_MUON, 0.9, 1, TUFF_BF16, false, 0},
                 {"galore", TUFF_GALORE, 0, 0, TUFF_F32, true, 0},
                 {"adamw average plateau", TUFF_ADAMW, 0, 0, TUFF_F32, false, 0, 0.75},
                 {"adamw packed", TUFF_ADAMW, 0, 0, TUFF_F32, true, .pack = true, .neftune = 5},
                 {"adamw packed dora O1 f16", TUFF_ADAMW, 0, 1, TUFF_F16, true, .pack = true,
                  .lora = "r=2,dropout=0.1,dora"},
                 {"muon lora", TUFF_MUON, 0.9, 0, TUFF_F32, false, .lora = "r=4,target=c_attn"},
                 {"adamw prefix", TUFF_ADAMW, 0, 0, TUFF_F32, false, .virtual_tokens = 3},
                 {"adamw task dora O1 bf16 average", TUFF_ADAMW, 0, 1, TUFF_BF16, false, .average = 0.75,
                  .lora = "r=2,dropout=0.1,dora,target=query+dense", .task = "classification"}};
    char base[512];
    snprintf(base, sizeof base, "%s/step-%08d", RUN("0.0"), SHORT);
    struct tuff_examples *examples = make_examples(ctx);
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        char folders[2][256];
        for (int k = 0; k < 3; k++) { /* whole; stopped; resumed */
            struct tuff_fit_report report;
            int steps = 0;
            snprintf(folders[k > 0], sizeof folders[0], RUN("%zu.%d"), i, k > 0);
            struct tuff_fit_params p = fit_case(device, folders[k > 0]);
            p.config.num_hidden_layers = 1;
            p.steps = SHORT;
            p.eval_every = p.save_every = 0;
            p.optimizer = tuff_optimizer_defaults(cases[i].kind);
            p.optimizer.momentum = cases[i].momentum;
            p.optimizer.skip_outliers = cases[i].outliers;
            p.optimizer.average = cases[i].average;
            p.optimizer.rank = 4;
            p.optimizer.update_proj_gap = 3; /* found again before and behind the stop */
            p.amp = cases[i].amp;
            p.amp_dtype = cases[i].dtype;
            p.examples = cases[i].examples ? examples : NULL;
            p.pack = cases[i].pack;
            p.neftune = cases[i].neftune;
            p.lora = cases[i].lora;
            p.prefix_tuning = cases[i].virtual_tokens;
            if (p.lora || p.prefix_tuning)
                p.init = base;
            if (cases[i].task) {
                p.task = (struct tuff_fit_task) {.name = cases[i].task, .text = "text", .label = "label", .workers = 1};
                p.init = BERT;
                p.data = records;
                p.validation = 0.2;
                p.context = 0;
            }
            if (p.prefix_tuning) /* they take positions too */
                p.context -= p.prefix_tuning;
            p.schedule.base = cases[i].kind == TUFF_LION ? 1e-4 : 1e-3;
            if (cases[i].average > 0 && !cases[i].task) { /* no evaluation is a hundred times better */
                p.eval_every = 1;
                p.schedule.kind = TUFF_SCHEDULE_PLATEAU;
                p.schedule.floor = 0;
                p.schedule.plateau = (struct tuff_plateau_params) {0.5, 1, 0.99, 1};
                p.groups = "*.bias:lr=0.01;*ln_?.weight:decay=0.2";
                p.freeze = "*wpe*";
            }
            p.resume = k == 2;
            p.wish = k == 1 ? stop : NULL;
            p.user = &steps;
            CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
            CHECK_MSG(report.step == (k == 1 ? STOP : SHORT), "%s: step %d", cases[i].name,
                      (int) report.step);
        }
        check_same(ctx, cases[i].name, folders[0], folders[1]);
    }
    tuff_examples_destroy(examples);
}

/* Two micro-batches of 2 and one of 4 are fed with the same windows. The losses are sums of the same
 * products in another order: they differ by rounding alone, 2^-24 an addition, some hundreds of them; steps
 * of 1e-3 carry that on. */
static void test_accumulate(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_fit_report report[2];
    for (int k = 0; k < 2; k++) {
        struct tuff_fit_params p = fit_case(device, k ? RUN("one") : RUN("two"));
        p.batch = k ? 4 : 2;
        p.accumulate = k ? 1 : 2;
        p.dropout = 0; /* whose stream is a micro-batch's */
        p.schedule.base = 1e-3;
        p.eval_batches = 0;
        CHECK_OK(ctx, tuff_fit(ctx, &p, &report[k]));
    }
    double train = fabs(report[0].train_loss - report[1].train_loss);
    double val = fabs(report[0].val_loss - report[1].val_loss);
    CHECK_MSG(train < 2e-5 && val < 2e-5, "%g and %g", train, val);
    CHECK(report[0].train_loss > 1);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    tuff_os_remove_tree(ctx, FOLDER);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        write_tokens(ctx);
        write_records(ctx);
        test_resume(ctx, device);
        test_accumulate(ctx, device);
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}

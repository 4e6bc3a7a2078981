/* Records of a CSV file to batches: a dataset, labels, a tokenizer, a collator that pads, two worker threads, and a
 * stop after which the same batches come as would have come without it.
 *
 *     cc data.c $(pkg-config --cflags --libs tuff) -o data && ./data */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tuff/data_loader.h>

static struct tuff_ctx *ctx;

static void must(enum tuff_status status)
{
    if (status == TUFF_OK)
        return;
    fprintf(stderr, "data: %s\n", tuff_error_text(ctx));
    exit(1);
}

static void write_reviews(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        exit(1);
    fprintf(file, "stars,review\n");
    for (int i = 0; i < 50; i++)
        fprintf(file, "%d,\"a %s, %s film\"\n", i % 2 ? 5 : 1, i % 2 ? "good" : "bad",
                i % 3 ? "very long" : "short");
    fclose(file);
}

/* A batch begins with what the collator made of it. */
static void show(const struct tuff_collated *b, const struct tuff_data_position *next)
{
    printf("%zu reviews, the first is number %u, %u tokens, label %u; next: epoch %d, batch %d\n", b->rows,
           b->samples[0], b->visible[1], b->labels[0], (int) next->epoch, (int) next->index);
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    const char *paths[] = {"reviews.csv"}, **labels;
    const struct tuff_field fields[] = {{"review", false}, {"stars", false}}; /* text, label */
    struct tuff_tokenizer *tokenizer;
    struct tuff_dataset *reviews;
    struct tuff_samples *samples;
    struct tuff_samples_report report;
    struct tuff_data_loader *loader;
    struct tuff_data_position at = {.seed = 7};
    const void *batch;
    size_t n;

    write_reviews(paths[0]);
    must(tuff_wordpiece_train(ctx, &(struct tuff_wordpiece_train_params) {.vocab_size = 80}, paths, 1,
                              &tokenizer));
    must(tuff_dataset_open(ctx, &(struct tuff_dataset_params) {.paths = paths, .n_paths = 1,
                                                               .fields = fields, .n_fields = 2}, &reviews));
    must(tuff_dataset_labels(ctx, reviews, 1, &labels, &n));
    printf("%zu records, %zu labels: %s and %s\n", tuff_dataset_count(reviews), n, labels[0], labels[1]);
    must(tuff_samples_load(ctx, &(struct tuff_samples_params) {.kind = TUFF_SAMPLE_SEQUENCE, .data = reviews,
                                                               .text = 0, .pair = SIZE_MAX, .label = 1,
                                                               .labels = labels, .n_labels = n,
                                                               .tokenizer = tokenizer, .context = 32},
                           &samples, &report));
    struct tuff_collate_params collate = {.samples = samples, .n = tuff_samples_count(samples),
                                          .shuffle = true, .batch = 16,
                                          .time = tuff_samples_longest(samples)};
    const struct tuff_data_loader_params params = {.workers = 2, .fill = tuff_collate, .user = &collate,
                                                   .batches = tuff_collate_batches(&collate),
                                                   .bytes = tuff_collate_bytes(&collate)};
    must(tuff_data_loader_create(ctx, &params, &at, &loader));
    for (int i = 0; i < 3; i++) {
        must(tuff_data_loader_next(loader, &batch, &at));
        show(batch, &at);
    }
    struct tuff_data_position kept = at; /* what a checkpoint keeps */
    must(tuff_data_loader_next(loader, &batch, &at));
    struct tuff_collated *copy = malloc(params.bytes);
    size_t tokens = collate.batch * collate.time;
    copy->ids = malloc(tokens * sizeof *copy->ids);
    memcpy(copy->ids, ((const struct tuff_collated *) batch)->ids, tokens * sizeof *copy->ids);
    tuff_data_loader_destroy(loader);
    must(tuff_data_loader_create(ctx, &params, &kept, &loader));
    must(tuff_data_loader_next(loader, &batch, &at));
    int same = !memcmp(copy->ids, ((const struct tuff_collated *) batch)->ids, tokens * sizeof *copy->ids);
    printf("after the stop: %s\n", same ? "the same batch" : "another batch");
    free(copy->ids);
    free(copy);
    free(labels);
    tuff_data_loader_destroy(loader);
    tuff_samples_destroy(samples);
    tuff_dataset_close(reviews);
    tuff_tokenizer_destroy(tokenizer);
    tuff_ctx_destroy(ctx);
    return !same;
}

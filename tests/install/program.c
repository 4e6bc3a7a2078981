#include <stdio.h>
#include <stdlib.h>
#include <tuff/device.h>

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_device_info *devices = NULL;
    size_t n = 0;
    if (tuff_device_list(ctx, &devices, &n) != TUFF_OK)
        printf("%s\n", tuff_error_text(ctx));
    printf("tuff %s sees %zu devices\n", tuff_version(), n);
    free(devices);
    tuff_ctx_destroy(ctx);
    return n == 0;
}

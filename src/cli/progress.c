/* cli/progress: see progress.h. */
#include "cli/progress.h"
#include "base/os.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define BAR 24
#define REDRAW 0.1 /* seconds between two bars */
#define PLAIN 5.0  /* and between two plain lines */

void cli_progress_init(struct cli_progress *progress, bool quiet)
{
    *progress = (struct cli_progress) {.terminal = isatty(STDERR_FILENO), .quiet = quiet};
}

static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

void cli_progress_show(struct cli_progress *progress, int64_t done, int64_t total, const char *text)
{
    double now = tuff_os_now();
    bool due = now - progress->last >= (progress->terminal ? REDRAW : PLAIN);
    if (progress->quiet || !(due || done == 1 || done == total))
        return;
    progress->last = now;
    if (!progress->terminal) {
        fprintf(stderr, "%s\n", text);
        return;
    }
    char line[512], bar[BAR + 1];
    for (int i = 0; i < BAR; i++)
        bar[i] = total > 0 && i < (int) (BAR * done / total) ? '#' : '.';
    bar[BAR] = 0;
    snprintf(line, sizeof line, "[%s] %s", bar, text);
    /* One column less than there are: a full line would begin the next one. */
    fprintf(stderr, "\r%.*s\033[K", columns() - 1, line);
    progress->shown = true;
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
}

void cli_progress_line(struct cli_progress *progress, const char *format, ...)
{
    if (progress->quiet)
        return;
    cli_progress_end(progress);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
}

/* cli/progress.h: how far long work is: a bar that is redrawn on a terminal, a plain line every few
 * seconds elsewhere. On stderr. */
#ifndef TUFF_CLI_PROGRESS_H
#define TUFF_CLI_PROGRESS_H

#include "base/base.h"

struct cli_progress {
    bool terminal, quiet;
    bool shown;  /* there is a bar on the screen's last line */
    double last; /* when something was last written */
};
/* quiet: nothing is written but by cli_progress_end. */
void cli_progress_init(struct cli_progress *progress, bool quiet);
/* "text" says the rest: numbers, time to go. Cheap when called too often. */
void cli_progress_show(struct cli_progress *progress, int64_t done, int64_t total,
                       const char *text);
/* A line above the bar. */
void cli_progress_line(struct cli_progress *progress, const char *format, ...) TUFF_PRINTF(2, 3);
/* Takes the bar away. */
void cli_progress_end(struct cli_progress *progress);

#endif

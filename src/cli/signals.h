/* cli/signals.h: being asked to stop or to save, by signals, in the middle of long work. */
#ifndef TUFF_CLI_SIGNALS_H
#define TUFF_CLI_SIGNALS_H

#include <stdbool.h>

/* From now on SIGINT and SIGTERM ask to stop, SIGUSR1 to save. A second request to stop ends the
 * process at once with exit code 128 + the signal's number: for work whose files are whole at any
 * moment. */
void cli_signals_install(void);
bool cli_signals_stop(void); /* stays true */
bool cli_signals_save(void); /* true once a signal */

/* While answering, SIGINT only sets what cli_signals_interrupted tells; otherwise it ends the process,
 * as it does by default. Not together with the above. */
void cli_signals_answering(bool answering);
bool cli_signals_interrupted(void);

#endif

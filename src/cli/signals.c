/* cli/signals: see signals.h. */
#include "cli/signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Set in the handler, read between steps: what a handler may touch is a static of this type. */
static volatile sig_atomic_t stop_requested, save_requested, interrupted;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        save_requested = 1;
    else if (stop_requested)
        _exit(128 + number);
    else
        stop_requested = 1;
}

void cli_signals_install(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART; /* no file or driver call fails because of us */
    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

bool cli_signals_stop(void)
{
    return stop_requested != 0;
}

bool cli_signals_save(void)
{
    bool requested = save_requested != 0;
    save_requested = 0;
    return requested;
}

static void on_interrupt(int number)
{
    (void) number;
    interrupted = 1;
}

void cli_signals_answering(bool answering)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = answering ? on_interrupt : SIG_DFL;
    action.sa_flags = SA_RESTART; /* as above */
    sigemptyset(&action.sa_mask);
    interrupted = 0;
    sigaction(SIGINT, &action, NULL);
}

bool cli_signals_interrupted(void)
{
    return interrupted != 0;
}

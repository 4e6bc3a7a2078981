/* base/sensors: see sensors.h. */
#include "base/sensors.h"
#include "base/os.h"

#include <math.h>

#define COUNTERS 8 /* packages of processors */

struct counter {
    char path[512]; /* a number of microjoules that only grows, but for its range */
    double range, last;
};
struct tuff_sensors {
    struct counter counters[COUNTERS];
    size_t n_counters;
    char power[512], temperature[512]; /* "": there is none */
    double joules, watts, at;          /* so far; when it was last read */
};

static bool read_number(const char *path, double *number)
{
    char text[64], *end;
    if (!*path || !tuff_os_read_small(path, text, sizeof text))
        return false;
    *number = strtod(text, &end);
    return end != text && isfinite(*number);
}

/* FOLDER/NAME into `path`, where there is a number in it; else "". */
static bool take(char path[512], const char *folder, const char *name)
{
    double number;
    int n = snprintf(path, 512, "%s/%s", folder, name);
    if (n > 0 && n < 512 && read_number(path, &number))
        return true;
    *path = 0;
    return false;
}

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static void add_counter(struct tuff_sensors *s, const char *folder, const char *name,
                        const char *range)
{
    struct counter *c = &s->counters[s->n_counters];
    char path[512];
    if (s->n_counters == COUNTERS || !take(c->path, folder, name))
        return;
    read_number(c->path, &c->last);
    if (range && take(path, folder, range))
        read_number(path, &c->range);
    s->n_counters++;
}

/* ---- where they are ---- */

static void find_card(struct tuff_sensors *s, const char *folder)
{
    add_counter(s, folder, "energy1_input", NULL);
    if (!s->n_counters && !take(s->power, folder, "power1_average"))
        take(s->power, folder, "power1_input");
    take(s->temperature, folder, "temp1_input");
}

/* A package of the processor; its parts (intel-rapl:0:1) are in it already. */
static void find_package(struct tuff_sensors *s, const char *folder)
{
    char path[512], name[64];
    snprintf(path, sizeof path, "%s/name", folder);
    if (tuff_os_read_small(path, name, sizeof name) && begins(name, "package"))
        add_counter(s, folder, "energy_uj", "max_energy_range_uj");
}

static void find_core(struct tuff_sensors *s, const char *folder)
{
    char path[512], name[64];
    snprintf(path, sizeof path, "%s/name", folder);
    if (!*s->temperature && tuff_os_read_small(path, name, sizeof name) &&
        (begins(name, "coretemp") || begins(name, "k10temp") || begins(name, "zenpower")))
        take(s->temperature, folder, "temp1_input");
}

/* Of each entry of a folder that begins so. */
static void each(struct tuff_sensors *s, const char *folder, const char *with,
                 void (*find)(struct tuff_sensors *s, const char *folder))
{
    struct tuff_os_list list = {0};
    if (tuff_os_list(NULL, folder, &list) != TUFF_OK)
        return;
    for (size_t i = 0; i < list.n; i++) {
        char path[400];
        int n = snprintf(path, sizeof path, "%s/%s", folder, list.items[i]);
        if (begins(list.items[i], with) && n > 0 && n < (int) sizeof path)
            find(s, path);
    }
    tuff_os_list_free(&list);
}

enum tuff_status tuff_sensors_create(struct tuff_ctx *ctx, const char *sys, const char *pci,
                                     struct tuff_sensors **out)
{
    char folder[400];
    struct tuff_sensors *s = tuff_calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return tuff_fail(ctx, TUFF_E_NOMEM, "sensors: out of host memory");
    if (*pci) {
        snprintf(folder, sizeof folder, "%s/bus/pci/devices/%s/hwmon", sys, pci);
        each(s, folder, "hwmon", find_card);
    } else {
        snprintf(folder, sizeof folder, "%s/class/powercap", sys);
        each(s, folder, "intel-rapl:", find_package);
        snprintf(folder, sizeof folder, "%s/class/hwmon", sys);
        each(s, folder, "hwmon", find_core);
    }
    s->at = tuff_os_now();
    s->watts = NAN;
    if (s->n_counters || *s->power || *s->temperature)
        *out = s;
    else
        free(s);
    return TUFF_OK;
}

/* ---- reading ---- */

static double counted(struct counter *c)
{
    double now, joules;
    if (!read_number(c->path, &now))
        return 0;
    joules = now - c->last;
    if (joules < 0)
        joules = c->range > 0 ? joules + c->range : 0;
    c->last = now;
    return joules * 1e-6;
}

bool tuff_sensors_read(struct tuff_sensors *s, struct tuff_sensor_reading *reading)
{
    double microwatts, thousandths, now = tuff_os_now();
    *reading = (struct tuff_sensor_reading) {NAN, NAN};
    if (!s)
        return false;
    for (size_t i = 0; i < s->n_counters; i++)
        s->joules += counted(&s->counters[i]);
    if (read_number(s->power, &microwatts)) { /* the mean of both ends, times the time between */
        double watts = microwatts * 1e-6;
        s->joules += (now - s->at) * (isfinite(s->watts) ? 0.5 * (s->watts + watts) : watts);
        s->watts = watts;
    }
    s->at = now;
    if (s->n_counters || *s->power)
        reading->joules = s->joules;
    if (read_number(s->temperature, &thousandths))
        reading->celsius = thousandths * 1e-3;
    return true;
}

void tuff_sensors_destroy(struct tuff_sensors *s)
{
    free(s);
}

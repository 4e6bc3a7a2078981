/* base/sensors: what the kernel says of a device's energy and temperature (Linux). */
#ifndef TUFF_SENSORS_H
#define TUFF_SENSORS_H

#include "base/base.h"

struct tuff_sensors;
struct tuff_sensor_reading {
    double joules;  /* since the sensors were found; NaN: unknown */
    double celsius; /* NaN: unknown */
};

/* Of the graphics card at that PCI address ("0000:03:00.0"): its hwmon, SYS/bus/pci/devices/PCI/hwmon/hwmonN
 * (energy1_input in microjoules, else power1_average or power1_input in microwatts, which is added up
 * over time; temp1_input in thousandths of a degree). With "", of the processor: the packages of
 * SYS/class/powercap (energy_uj, which many systems show to root alone), and the temperature of
 * SYS/class/hwmon's coretemp, k10temp or zenpower. *sensors is NULL where there is nothing to read. */
enum tuff_status tuff_sensors_create(struct tuff_ctx *ctx, const char *sys, const char *pci,
                                     struct tuff_sensors **sensors);
/* False: neither number is known; NULL has none. */
bool tuff_sensors_read(struct tuff_sensors *sensors, struct tuff_sensor_reading *reading);
void tuff_sensors_destroy(struct tuff_sensors *sensors);

#endif

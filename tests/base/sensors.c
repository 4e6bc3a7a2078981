/* sensors: energy and temperature from a tree like /sys: a card's counter, a card's power, a processor whose
 * counter begins again, and nothing at all. */
#include "base/os.h"
#include "base/sensors.h"
#include "test.h"

#include <math.h>

#define SYS TEST_BINARY_DIR "/base.sensors.scratch"
#define PCI "0000:03:00.0"

static void put(const char *folder, const char *name, const char *text)
{
    char path[512];
    CHECK(tuff_os_mkdirs(NULL, folder) == TUFF_OK);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(tuff_os_write_file(NULL, path, text, strlen(text)) == TUFF_OK);
}

static struct tuff_sensors *open_sensors(const char *pci)
{
    struct tuff_sensors *sensors;
    CHECK(tuff_sensors_create(NULL, SYS, pci, &sensors) == TUFF_OK);
    return sensors;
}

int main(void)
{
    static const char *const card = SYS "/bus/pci/devices/" PCI "/hwmon/hwmon3";
    static const char *const package = SYS "/class/powercap/intel-rapl:0";
    struct tuff_sensor_reading r;
    CHECK(tuff_os_remove_tree(NULL, SYS) == TUFF_OK);
    CHECK(open_sensors(PCI) == NULL && open_sensors("") == NULL && !tuff_sensors_read(NULL, &r));

    put(card, "energy1_input", "5000000\n");
    put(card, "temp1_input", "48500\n");
    struct tuff_sensors *s = open_sensors(PCI);
    CHECK(tuff_sensors_read(s, &r) && r.joules == 0 && r.celsius == 48.5);
    put(card, "energy1_input", "7500000\n");
    CHECK(tuff_sensors_read(s, &r) && r.joules == 2.5);
    tuff_sensors_destroy(s);
    CHECK(open_sensors("0000:04:00.0") == NULL);

    /* 20 W for a twentieth of a second and what else the machine takes. */
    CHECK(tuff_os_remove_tree(NULL, card) == TUFF_OK);
    put(card, "power1_average", "20000000\n");
    s = open_sensors(PCI);
    double begin = tuff_os_now();
    CHECK(tuff_sensors_read(s, &r));
    double first = r.joules;
    tuff_os_sleep(0.05);
    CHECK(tuff_sensors_read(s, &r) && isnan(r.celsius));
    double took = tuff_os_now() - begin;
    CHECK_MSG(r.joules - first >= 1 && r.joules - first <= 20 * took, "%g J in %g s", r.joules - first, took);
    tuff_sensors_destroy(s);

    /* The counter begins again at its range; a part of a package is in it already. */
    put(package, "name", "package-0\n");
    put(package, "energy_uj", "9000000\n");
    put(package, "max_energy_range_uj", "10000000\n");
    put(SYS "/class/powercap/intel-rapl:0:0", "name", "core\n");
    put(SYS "/class/powercap/intel-rapl:0:0", "energy_uj", "1\n");
    put(SYS "/class/hwmon/hwmon0", "name", "nvme\n");
    put(SYS "/class/hwmon/hwmon0", "temp1_input", "30000\n");
    put(SYS "/class/hwmon/hwmon1", "name", "k10temp\n");
    put(SYS "/class/hwmon/hwmon1", "temp1_input", "61250\n");
    s = open_sensors("");
    put(package, "energy_uj", "1500000\n");
    put(SYS "/class/powercap/intel-rapl:0:0", "energy_uj", "9\n");
    CHECK(tuff_sensors_read(s, &r) && fabs(r.joules - 2.5) < 1e-9 && r.celsius == 61.25);
    put(package, "energy_uj", "what\n"); /* not a number: nothing is added */
    CHECK(tuff_sensors_read(s, &r) && fabs(r.joules - 2.5) < 1e-9);
    tuff_sensors_destroy(s);
    return test_end();
}

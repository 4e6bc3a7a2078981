/* vk/background: how a device in the background leaves room for what else runs on it; see
 * tuff_device_params.background. */
#include "base/os.h"
#include "vk/internal.h"

#define PAUSE_SHARE (1.0 / 3) /* of the time that the last submission took: a quarter of all is left */
#define PAUSE_MOST 0.05       /* seconds */

static const char *extension(VkPhysicalDevice physical)
{
    static const char *const names[] = {VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME,
                                        VK_EXT_GLOBAL_PRIORITY_EXTENSION_NAME};
    const char *found = NULL;
    uint32_t n = 0;
    vkEnumerateDeviceExtensionProperties(physical, NULL, &n, NULL);
    VkExtensionProperties *list = tuff_calloc(n, sizeof *list);
    if (!list || vkEnumerateDeviceExtensionProperties(physical, NULL, &n, list) != VK_SUCCESS)
        n = 0;
    for (size_t k = 0; k < TUFF_COUNT(names) && !found; k++)
        for (uint32_t i = 0; i < n && !found; i++)
            if (!strcmp(list[i].extensionName, names[k]))
                found = names[k];
    free(list);
    return found;
}

const char *tuff_background_priority(const struct tuff_device *device,
                                     VkDeviceQueueGlobalPriorityCreateInfoKHR *low)
{
    const char *name = device->background ? extension(device->physical) : NULL;
    *low = (VkDeviceQueueGlobalPriorityCreateInfoKHR) {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_GLOBAL_PRIORITY_CREATE_INFO_KHR,
        .globalPriority = VK_QUEUE_GLOBAL_PRIORITY_LOW_KHR};
    return name;
}

enum tuff_status tuff_background_pause(struct tuff_device *device)
{
    if (!device->background)
        return TUFF_OK;
    if (device->submitted) {
        TUFF_TRY(tuff_queue_wait(device, device->submitted));
        double took = tuff_os_now() - device->submitted_at;
        tuff_os_sleep(TUFF_MIN(took * PAUSE_SHARE, PAUSE_MOST));
    }
    device->submitted_at = tuff_os_now();
    return TUFF_OK;
}

#include "lib/shared.h"
/* window: [norms in it, where the next goes, the norms: TUFF_OUTLIER_WINDOW]. */
#define TUFF_OUTLIER_WINDOW 64
#define TUFF_OUTLIER_LEAST 16 /* norms that there must be before one is judged */
TUFF_PARAMS_BEGIN(outlier)
    TUFF_PTR(F32) norm;
    TUFF_PTR(F32) window;
    TUFF_PTR(F32) judged; /* [1]: norm, or infinity: it is an outlier */
    tuff_f32 limit;       /* standard deviations */
TUFF_PARAMS_END(outlier)

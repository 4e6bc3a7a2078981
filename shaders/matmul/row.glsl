// Declares y: lane l holds element(l). All loads first, then the choice: a load inside ?: would
// become a branch.
#define ROW(y, element) \
    float y; \
    { \
        y = element(0); \
        [[unroll]] for (int l = 1; l < SG; l++) \
            y = mix(y, element(l), lane == l); \
    }

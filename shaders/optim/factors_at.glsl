// Where optim/factors puts what all elements of a step share.
#define FACTOR_FINITE 0u
#define FACTOR_SCALE 1u
#define FACTOR_CORRECT1 2u
#define FACTOR_CORRECT2 3u
#define FACTOR_FIRST 4u
#define FACTOR_RATES 8u
#define FACTOR_DECAYS 24u
#define FACTOR_COUPLED 40u

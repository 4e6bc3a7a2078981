/* io/canvas: anti-aliased strokes and text on an RGB picture, for plots. */
#ifndef TUFF_CANVAS_H
#define TUFF_CANVAS_H

#include "base/base.h"

/* Pixel centres are at half coordinates, y grows downward. Strokes gather in a mask (the largest
 * coverage wins, so that joints and crossings of one line are not painted twice) until _paint. */
struct tuff_canvas {
    int width, height;
    int clip[4];  /* left, top, right, bottom: strokes stay inside */
    int dirty[4]; /* the part of the mask in use */
    float *mask;  /* coverage, 0..1 */
    uint8_t *rgb;
};
/* White. TUFF_E_NOMEM leaves nothing to free. */
enum tuff_status tuff_canvas_init(struct tuff_ctx *ctx, struct tuff_canvas *canvas, int width,
                                  int height);
void tuff_canvas_fini(struct tuff_canvas *canvas);
void tuff_canvas_clip(struct tuff_canvas *canvas, int left, int top, int right, int bottom);

/* A segment with round ends into the mask; both ends equal: a dot. */
void tuff_canvas_segment(struct tuff_canvas *canvas, double x0, double y0, double x1, double y1,
                         double thickness);
void tuff_canvas_box(struct tuff_canvas *canvas, int left, int top, int right, int bottom);
/* Blends the colour (0xRRGGBB) through the mask and clears it. */
void tuff_canvas_paint(struct tuff_canvas *canvas, uint32_t colour, double opacity);

/* Text into the mask. (x, y): left end of the base line; `size`: height of capitals in pixels.
 * `up` turns it a quarter to the left. Returns nothing; what is not printable ASCII is a box. */
void tuff_canvas_text(struct tuff_canvas *canvas, double x, double y, const char *text, double size,
                      double thickness, bool up);
double tuff_canvas_text_width(const char *text, double size);

/* PNG, 8-bit RGB, replaced atomically. */
enum tuff_status tuff_canvas_write(struct tuff_ctx *ctx, const struct tuff_canvas *canvas,
                                   const char *path);

#endif

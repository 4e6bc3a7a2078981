/* io/font: a stroke font of our own, so that text is smooth at any size and turned any way.
 *
 * A glyph is its advance and strokes. A point is a digit x and a letter y, on a grid whose capitals
 * are 9 units high: y 'a' is -3 (descenders), 'd' 0 (base line), 'j' 6 (small letters), 'm' 9.
 * Plain points are joined by lines; after '~' they are control points of a quadratic B-spline from
 * the first to the last; after '@' of a closed one. A point given twice is a dot. */
#include "io/canvas.h"

#include <math.h>

static const char *const glyphs[95] = {
    /*   */ "4",
    /* ! */ "2 1m1g 1d1d",
    /* " */ "4 1m1k 3m3k",
    /* # */ "8 2d3m 5d6m 1g7g 1j7j",
    /* $ */ "6 ~5k5m1m1i5i5d1d1f 3o3b",
    /* % */ "9 1d8m @1m4m4i1i @5h8h8d5d",
    /* & */ "8 ~7h6d1d1h5j5m2m2j7d",
    /* ' */ "2 1m1k",
    /* ( */ "4 ~3n1k1f3b",
    /* ) */ "4 ~1n3k3f1b",
    /* * */ "6 3m3h 1l5i 5l1i",
    /* + */ "6 3j3f 1h5h",
    /* , */ "3 2d2d 2d1b",
    /* - */ "5 1h4h",
    /* . */ "2 1d1d",
    /* / */ "5 1b4n",
    /* 0 */ "7 @1m6m6d1d",
    /* 1 */ "7 2k4m4d",
    /* 2 */ "7 ~1k1m6m6i1d 1d6d",
    /* 3 */ "7 ~1k1m6m6i3i ~3i6i6d1d1f",
    /* 4 */ "7 5d5m1g6g",
    /* 5 */ "7 6m2m1i ~1i2j6j6d1d1f",
    /* 6 */ "7 ~6k5m1m1g @1i6i6d1d",
    /* 7 */ "7 1m6m3d",
    /* 8 */ "7 @1m6m6i1i @1i6i6d1d",
    /* 9 */ "7 @1m6m6h1h ~6j6d2d1f",
    /* : */ "2 1d1d 1i1i",
    /* ; */ "3 2i2i 2d2d 2d1b",
    /* < */ "6 5k1h5e",
    /* = */ "6 1i5i 1g5g",
    /* > */ "6 1k5h1e",
    /* ? */ "6 ~1k1m5m5i3i3g 3d3d",
    /* @ */ "9 @3j6j6f3f ~6j6f8f8m1m1d7d",
    /* A */ "8 1d4m7d 2g6g",
    /* B */ "7 1d1m ~1m3m5m5i3i1i ~1i3i6i6d3d1d",
    /* C */ "7 ~6k6m1m1d6d6f",
    /* D */ "7 1d1m ~1m3m6m6d3d1d",
    /* E */ "6 5m1m1d5d 1i4i",
    /* F */ "6 5m1m1d 1i4i",
    /* G */ "7 ~6k6m1m1d6d6h 6h4h",
    /* H */ "7 1m1d 6m6d 1i6i",
    /* I */ "2 1m1d",
    /* J */ "6 ~5m5f5d1d1f",
    /* K */ "7 1m1d 6m1g 3i6d",
    /* L */ "6 1m1d5d",
    /* M */ "8 1d1m4g7m7d",
    /* N */ "7 1d1m6d6m",
    /* O */ "8 @1m7m7d1d",
    /* P */ "7 1d1m ~1m3m6m6h3h1h",
    /* Q */ "8 @1m7m7d1d 5f7c",
    /* R */ "7 1d1m ~1m3m6m6h3h1h 3h6d",
    /* S */ "7 ~6k6m1m1i6i6d1d1f",
    /* T */ "6 0m6m 3m3d",
    /* U */ "7 ~1m1g1d6d6g6m",
    /* V */ "7 0m3d6m",
    /* W */ "9 0m2d4l6d8m",
    /* X */ "7 1d6m 1m6d",
    /* Y */ "6 0m3h6m 3h3d",
    /* Z */ "7 1m6m1d6d",
    /* [ */ "4 3n1n1b3b",
    /* \ */ "5 1n4b",
    /* ] */ "4 1n3n3b1b",
    /* ^ */ "6 1j3m5j",
    /* _ */ "6 0c6c",
    /* ` */ "4 1m3k",
    /* a */ "6 ~5h5j1j1d5d5f 5j5d",
    /* b */ "6 1m1d ~1h1j5j5d1d1f",
    /* c */ "6 ~5i5j1j1d5d5e",
    /* d */ "6 5m5d ~5h5j1j1d5d5f",
    /* e */ "6 1g5g ~5g5j1j1d5d5e",
    /* f */ "4 ~4m2m2k2d 1j4j",
    /* g */ "6 ~5h5j1j1d5d5f ~5j5d5a1a1b",
    /* h */ "6 1m1d ~1g1j5j5g5d",
    /* i */ "2 1j1d 1l1l",
    /* j */ "3 ~2j2c2a0a 2l2l",
    /* k */ "5 1m1d 4j1f 2g5d",
    /* l */ "3 ~1m1e1d2d",
    /* m */ "8 1j1d ~1g1j4j4g4d ~4g4j7j7g7d",
    /* n */ "6 1j1d ~1g1j5j5g5d",
    /* o */ "6 @1j5j5d1d",
    /* p */ "6 1j1a ~1h1j5j5d1d1f",
    /* q */ "6 5j5a ~5h5j1j1d5d5f",
    /* r */ "4 1j1d ~1g1j4j",
    /* s */ "5 ~4i4j1j1g4g4d1d1e",
    /* t */ "4 ~2l2f2d4d 1j4j",
    /* u */ "6 ~1j1g1d5d5g 5j5d",
    /* v */ "6 1j3d5j",
    /* w */ "8 0j2d4i6d8j",
    /* x */ "6 1j5d 1d5j",
    /* y */ "6 1j3d 5j2a",
    /* z */ "6 1j5j1d5d",
    /* { */ "4 ~3n2n2i1h ~1h2g2b3b",
    /* | */ "2 1n1b",
    /* } */ "4 ~1n2n2i3h ~3h2g2b1b",
    /* ~ */ "6 ~1h2k4e5h",
};

#define UNITS 9.0   /* height of capitals */
#define SPACING 0.5 /* added to every advance */
#define POINTS_MAX 16
#define CURVE_PIECES 6

struct pen {
    struct tuff_canvas *canvas;
    double x, y, scale, thickness;
    bool up;
};

static const char *glyph_of(char c)
{
    return c >= ' ' && c <= '~' ? glyphs[c - ' '] : "7 1m6m6d1d1m";
}

static void line(const struct pen *pen, const double a[2], const double b[2])
{
    double ends[4];
    for (int i = 0; i < 2; i++) {
        const double *p = i ? b : a;
        ends[2 * i] = pen->x + (pen->up ? -p[1] : p[0]) * pen->scale;
        ends[2 * i + 1] = pen->y - (pen->up ? p[0] : p[1]) * pen->scale;
    }
    tuff_canvas_segment(pen->canvas, ends[0], ends[1], ends[2], ends[3], pen->thickness);
}

/* One quadratic Bezier piece: from a to c, drawn towards b. */
static void curve(const struct pen *pen, const double a[2], const double b[2], const double c[2])
{
    double from[2] = {a[0], a[1]};
    for (int i = 1; i <= CURVE_PIECES; i++) {
        double t = (double) i / CURVE_PIECES, to[2];
        for (int k = 0; k < 2; k++)
            to[k] = (1 - t) * (1 - t) * a[k] + 2 * t * (1 - t) * b[k] + t * t * c[k];
        line(pen, from, to);
        memcpy(from, to, sizeof from);
    }
}

static void middle(const double a[2], const double b[2], double out[2])
{
    out[0] = (a[0] + b[0]) / 2;
    out[1] = (a[1] + b[1]) / 2;
}

/* A quadratic B-spline is one Bezier piece a control point, between the middles of its sides. */
static void stroke(const struct pen *pen, char kind, double points[][2], int n)
{
    for (int i = 0; i + 1 < n && kind == 0; i++)
        line(pen, points[i], points[i + 1]);
    for (int i = kind == '@' ? 0 : 1; kind && i < (kind == '@' ? n : n - 1); i++) {
        const double *before = points[(i + n - 1) % n], *after = points[(i + 1) % n];
        double from[2], to[2];
        middle(before, points[i], from);
        middle(points[i], after, to);
        if (kind == '~' && i == 1)
            memcpy(from, before, sizeof from);
        if (kind == '~' && i == n - 2)
            memcpy(to, after, sizeof to);
        curve(pen, from, points[i], to);
    }
}

static void draw_glyph(const struct pen *pen, const char *at)
{
    at++; /* the advance */
    while (*at == ' ') {
        char kind = 0;
        double points[POINTS_MAX][2];
        int n = 0;
        at++;
        if (*at == '~' || *at == '@')
            kind = *at++;
        for (; *at && *at != ' ' && n < POINTS_MAX; at += 2, n++) {
            points[n][0] = at[0] - '0';
            points[n][1] = at[1] - 'd';
        }
        stroke(pen, kind, points, n);
    }
}

void tuff_canvas_text(struct tuff_canvas *canvas, double x, double y, const char *text, double size,
                      double thickness, bool up)
{
    struct pen pen = {canvas, x, y, size / UNITS, thickness, up};
    for (; *text; text++) {
        const char *glyph = glyph_of(*text);
        double advance = (glyph[0] - '0' + SPACING) * pen.scale;
        draw_glyph(&pen, glyph);
        pen.x += up ? 0 : advance;
        pen.y -= up ? advance : 0;
    }
}

double tuff_canvas_text_width(const char *text, double size)
{
    double units = 0;
    for (; *text; text++)
        units += glyph_of(*text)[0] - '0' + SPACING;
    return fmax(units - SPACING, 0) * size / UNITS;
}

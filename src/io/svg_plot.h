/* io/svg_plot: line plots as inline SVG, coloured by the style sheet of the page they stand in. */
#ifndef TUFF_SVG_PLOT_H
#define TUFF_SVG_PLOT_H

#include "base/base.h"
#include "tuff/io.h"

/* Adds an <svg class="plot"> to `to`: the plot's series as <path class="cN">, N the colour (faint ones
 * also "faint", the others end in a dot), grid and labels as "grid" and "label". x are steps. Where all
 * values are above 0 and the largest is more than a hundred times the smallest, y is logarithmic. `color`:
 * one a series. Sizes are 640 x 250 where the plot says none. Long series are thinned out to the least and the largest value of each stretch. */
void tuff_svg_plot(struct tuff_text *to, const struct tuff_plot *plot, const int *color);
/* Text for HTML, quotes escaped too. What is not UTF-8, and control characters, become U+FFFD. */
void tuff_html_text(struct tuff_text *to, const char *text);

#endif

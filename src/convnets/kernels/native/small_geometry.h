// What the convolutions with few channels share: sizes, and how output pixels are folded into vectors.
//
// A band of an image fits the first-level cache, and all directions are products of small blocks (small_product.h)
// with channels in the lanes. Where the output channels fill less than a vector, `fold` neighboring output pixels
// share it: together they are one pixel with fold · filters channels, of a kernel (fold - 1) · stride wider.
#pragma once
#include "small_rows.h"

namespace small {

struct Geometry {
    int64_t images, height, width, channels;
    int64_t out_height, out_width, filters;
    int64_t kernel_height, kernel_width, stride_height, stride_width, pad_height, pad_width;
    int64_t threads;

    int64_t row_taps(int64_t fold) const { return (kernel_width + (fold - 1) * stride_width) * channels; }
};

constexpr int64_t CACHE = 24 * 1024;  // bytes that a band of rows may take

// The number of pixels in a vector for which the whole costs the fewest instructions.
template <class Cost> int64_t best_fold(const Geometry& g, const Cost& cost) {
    int64_t best = 1;
    for (int64_t fold = 2; fold <= std::min<int64_t>(g.out_width, 8); ++fold)
        if (cost(fold) < cost(best)) best = fold;
    return best;
}

}  // namespace small

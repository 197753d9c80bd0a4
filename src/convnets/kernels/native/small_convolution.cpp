// Direct convolutions with few channels, channels-last: forward and input gradient.
#include "small_geometry.h"

using namespace small;

namespace {

// Weights [filter][kernel row][kernel column][channel] as [tile][kernel row][step][V · LANES] for `forward`.
template <class E>
Scratch<float> pack_forward(const Geometry& g, int64_t fold, int64_t vectors, const Kernel& kernel,
                            const float* weight) {
    const int64_t taps = g.row_taps(fold), steps = ceil_div(taps, depth_of<E>);
    const int64_t wide = kernel.vectors * LANES, lanes = fold * g.filters, shift = g.stride_width * g.channels;
    const int64_t row_length = g.kernel_width * g.channels;
    Scratch<float> packed(vectors * LANES * g.kernel_height * steps);
    for (int64_t lane = 0; lane < lanes; ++lane) {
        const int64_t first = lane / g.filters * shift;
        const float* from = weight + lane % g.filters * g.kernel_height * row_length;
        for (int64_t row = 0; row < g.kernel_height; ++row) {
            const int64_t base = (lane / wide * g.kernel_height + row) * steps;
            for (int64_t tap = 0; tap < row_length; ++tap) {
                const int64_t at = first + tap, word = (base + at / depth_of<E>) * wide + lane % wide;
                put_weight<E>(packed.get(), word, at % depth_of<E>, from[row * row_length + tap]);
            }
        }
    }
    return packed;
}

template <class T, class E = element_of<T>>
void forward(const Geometry& g, const T* x, const float* weight, const float* bias, T* y) {
    const int64_t fold = best_fold(g, [&](int64_t f) {
        return ceil_div(g.out_width, f) * ceil_div(f * g.filters, LANES) * ceil_div(g.row_taps(f), depth_of<E>);
    });
    const int64_t lanes = fold * g.filters, vectors = ceil_div(lanes, LANES), groups = ceil_div(g.out_width, fold);
    const int64_t steps = ceil_div(g.row_taps(fold), depth_of<E>), shift = fold * g.stride_width * g.channels;
    const Kernel kernel = choose_kernel<E, T>(groups, vectors);
    const int64_t wide = kernel.vectors * LANES, tiles = vectors / kernel.vectors;
    const int64_t pitch = (round_up(groups, kernel.blocks) - 1) * shift + steps * depth_of<E>;
    Scratch<float> packed = pack_forward<E>(g, fold, vectors, kernel, weight), start(vectors * LANES);
    for (int64_t lane = 0; lane < lanes; ++lane) start.get()[lane] = bias ? bias[lane % g.filters] : 0.0f;

    const int64_t fitting = CACHE / int64_t(pitch * sizeof(E)) - g.kernel_height;
    const int64_t band = std::clamp<int64_t>(fitting / g.stride_height + 1, 1, g.out_height);
    const int64_t bands = ceil_div(g.out_height, band);
    const int64_t row_size = g.width * g.channels, out_row = g.out_width * g.filters;
#pragma omp parallel num_threads(g.threads)
    {
        Scratch<E> rows(((band - 1) * g.stride_height + g.kernel_height) * pitch);
#pragma omp for schedule(static)
        for (int64_t task = 0; task < g.images * bands; ++task) {
            const int64_t image = task / bands, first = task % bands * band;
            const int64_t last = std::min(first + band, g.out_height);
            const int64_t top = first * g.stride_height;
            const int64_t needed = (last - 1 - first) * g.stride_height + g.kernel_height;
            for (int64_t row = 0; row < needed; ++row) {
                const int64_t at = top + row - g.pad_height;
                const T* from = at < 0 || at >= g.height ? nullptr : x + (image * g.height + at) * row_size;
                copy_row<T, E>(rows.get() + row * pitch, pitch, from, g.pad_width * g.channels, row_size);
            }
            Product job{};
            job.rows = g.kernel_height, job.steps = steps;
            job.source_row = pitch * sizeof(E), job.source_block = shift * sizeof(E), job.source_step = 4;
            job.weights_row = steps * wide, job.weights_step = wide;
            job.pitch = lanes;
            for (int64_t t = 0; t < tiles; ++t) {
                job.weights = packed.get() + t * g.kernel_height * steps * wide;
                job.start = start.get() + t * wide;
                job.lanes = std::min(wide, lanes - t * wide);
                for (int64_t out = first; out < last; ++out) {
                    const E* source = rows.get() + (out - first) * g.stride_height * pitch;
                    T* to = y + (image * g.out_height + out) * out_row;
                    job.end = to + out_row;
                    for (int64_t group = 0; group < groups; group += kernel.blocks) {
                        job.source = reinterpret_cast<const char*>(source + group * shift);
                        job.out = to + group * lanes + t * wide;
                        kernel.run(job);
                    }
                }
            }
        }
    }
}

// Weights as [tile][kernel row][step over filters][V · LANES], the kernel row's columns and channels in the lanes.
template <class E>
Scratch<float> pack_input_gradient(const Geometry& g, int64_t vectors, const Kernel& kernel, const float* weight) {
    const int64_t row_length = g.kernel_width * g.channels, steps = ceil_div(g.filters, depth_of<E>);
    const int64_t wide = kernel.vectors * LANES;
    Scratch<float> packed(vectors * LANES * g.kernel_height * steps);
    for (int64_t filter = 0; filter < g.filters; ++filter)
        for (int64_t row = 0; row < g.kernel_height; ++row) {
            const float* from = weight + (filter * g.kernel_height + row) * row_length;
            for (int64_t lane = 0; lane < row_length; ++lane) {
                const int64_t base = (lane / wide * g.kernel_height + row) * steps + filter / depth_of<E>;
                put_weight<E>(packed.get(), base * wide + lane % wide, filter % depth_of<E>, from[lane]);
            }
        }
    return packed;
}

// The sum of planes from `from` on, `count` values, rounded.
template <class T> void add_planes(T* to, const float* from, int64_t planes, int64_t size, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) {
        vector sum = load(from + i);
        for (int64_t plane = 1; plane < planes; ++plane) sum += load(from + plane * size + i);
        store_lanes(to + i, sum, count - i);
    }
}

// Each pixel of gy gives a kernel row's width of gx. Those of neighbors overlap: they are kept in planes, a pixel
// in the next one's, so that nothing overlaps in a plane, and the planes are added at the end of a row.
template <class T, class E = element_of<T>>
void input_gradient(const Geometry& g, const T* gy, const float* weight, T* gx) {
    const int64_t row_length = g.kernel_width * g.channels, vectors = ceil_div(row_length, LANES);
    const int64_t steps = ceil_div(g.filters, depth_of<E>), shift = g.stride_width * g.channels;
    const Kernel kernel = choose_kernel<E, float>(g.out_width, vectors);
    const int64_t wide = kernel.vectors * LANES, tiles = vectors / kernel.vectors;
    Scratch<float> packed = pack_input_gradient<E>(g, vectors, kernel, weight), zeros(wide);

    // with one tile a block's padding may reach into the plane's next one, which is written after it
    const int64_t planes = std::min(ceil_div(tiles == 1 ? row_length : vectors * LANES, shift), g.out_width);
    const int64_t in_row = g.width * g.channels, left = g.pad_width * g.channels;
    const int64_t plane_size = std::max((g.out_width - 1) * shift + vectors * LANES, left + in_row + LANES);
    const int64_t out_row = g.out_width * g.filters, row_weights = steps * wide;
    const bool in_place = std::is_same_v<T, E> && g.out_width % kernel.blocks == 0 && g.filters % depth_of<E> == 0;
    const int64_t pitch = (round_up(g.out_width, kernel.blocks) - 1) * g.filters + steps * depth_of<E>;
    const int64_t fitting = CACHE / int64_t(pitch * sizeof(E)) - ceil_div(g.kernel_height, g.stride_height);
    const int64_t band = std::clamp<int64_t>(fitting * g.stride_height, 1, g.height);
    const int64_t bands = ceil_div(g.height, band);
#pragma omp parallel num_threads(g.threads)
    {
        Scratch<E> rows((ceil_div(band + g.kernel_height, g.stride_height) + 1) * pitch);
        Scratch<float> tile(kernel.blocks * wide), sums(planes * plane_size);
#pragma omp for schedule(static)
        for (int64_t task = 0; task < g.images * bands; ++task) {
            const int64_t image = task / bands, first = task % bands * band, last = std::min(first + band, g.height);
            const int64_t reach = first + g.pad_height - g.kernel_height + 1;
            const int64_t top = reach <= 0 ? 0 : ceil_div(reach, g.stride_height);
            const int64_t bottom = std::min((last - 1 + g.pad_height) / g.stride_height + 1, g.out_height);
            const E* source = rows.get();
            if constexpr (std::is_same_v<T, E>)
                if (in_place) source = gy + (image * g.out_height + top) * out_row;
            for (int64_t row = top; row < bottom && !in_place; ++row) {
                const T* from = gy + (image * g.out_height + row) * out_row;
                copy_row<T, E>(rows.get() + (row - top) * pitch, pitch, from, 0, out_row);
            }
            Product job{};
            job.steps = steps;
            job.source_row = -pitch * int64_t(sizeof(E)), job.source_block = g.filters * sizeof(E), job.source_step = 4;
            job.weights_row = g.stride_height * row_weights, job.weights_step = wide;
            job.start = zeros.get(), job.out = tile.get(), job.end = tile.get() + kernel.blocks * wide;
            job.pitch = job.lanes = wide;
            for (int64_t in = first; in < last; ++in) {
                T* to = gx + (image * g.height + in) * in_row;
                const int64_t padded = in + g.pad_height;
                const int64_t kernel_first =
                    std::max(padded % g.stride_height, padded - (g.out_height - 1) * g.stride_height);
                const int64_t kernel_last = std::min(g.kernel_height - 1, padded);
                if (kernel_first > kernel_last) {
                    std::memset(static_cast<void*>(to), 0, in_row * sizeof(T));
                    continue;
                }
                job.rows = (kernel_last - kernel_first) / g.stride_height + 1;
                const E* from = source + ((padded - kernel_first) / g.stride_height - top) * pitch;
                for (int64_t t = 0; t < tiles; ++t) {
                    job.weights = packed.get() + (t * g.kernel_height + kernel_first) * row_weights;
                    for (int64_t pixel = 0; pixel < g.out_width; pixel += kernel.blocks) {
                        job.source = reinterpret_cast<const char*>(from + pixel * g.filters);
                        kernel.run(job);
                        const int64_t stored = std::min(kernel.blocks, g.out_width - pixel);
                        int64_t plane = pixel % planes;
                        for (int64_t p = 0; p < stored; ++p) {
                            float* sum = sums.get() + plane * plane_size + (pixel + p) * shift + t * wide;
                            for (int64_t lane = 0; lane < wide; lane += LANES)
                                store(sum + lane, load(tile.get() + p * wide + lane));
                            plane = plane + 1 == planes ? 0 : plane + 1;
                        }
                    }
                }
                add_planes(to, sums.get() + left, planes, plane_size, in_row);
            }
        }
    }
}

}  // namespace

extern "C" {

void convnets_small_forward_f32(const Geometry* g, const float* x, const float* weight, const float* bias, float* y) {
    forward<float>(*g, x, weight, bias, y);
}

void convnets_small_forward_bf16(const Geometry* g, const bfloat16* x, const float* weight, const float* bias,
                                 bfloat16* y) {
    forward<bfloat16>(*g, x, weight, bias, y);
}

void convnets_small_input_gradient_f32(const Geometry* g, const float* gy, const float* weight, float* gx) {
    input_gradient<float>(*g, gy, weight, gx);
}

void convnets_small_input_gradient_bf16(const Geometry* g, const bfloat16* gy, const float* weight, bfloat16* gx) {
    input_gradient<bfloat16>(*g, gy, weight, gx);
}
}

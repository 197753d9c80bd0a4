// Weight gradients of convolutions with few channels, channels-last: taps of the kernel against vectors of gy.
#include "small_geometry.h"

using namespace small;

namespace {

constexpr int64_t CHUNKS = 32;  // parts of a batch whose gradients are added one after another

struct GradientPlan {
    int64_t fold, lanes, vectors, steps, taps, x_shift, x_pitch, gy_length, gy_step, gy_row, band;
    Kernel kernel;
};

template <class E> GradientPlan plan_weight_gradient(const Geometry& g) {
    GradientPlan plan{};
    const auto steps = [&](int64_t f) { return ceil_div(ceil_div(g.out_width, f), depth_of<E>); };
    plan.fold = best_fold(g, [&](int64_t f) {
        return steps(f) * ceil_div(f * g.filters, LANES) * (g.row_taps(f) + 1);
    });
    plan.lanes = plan.fold * g.filters, plan.vectors = ceil_div(plan.lanes, LANES);
    plan.steps = steps(plan.fold);
    plan.kernel = choose_kernel<E, float>(g.row_taps(plan.fold), plan.vectors);
    if (g.kernel_height == 3 && g.row_taps(plan.fold) == 3) plan.kernel = three_by_three<E>(plan.vectors);
    plan.taps = plan.kernel.groups == 3 ? 3 : round_up(g.row_taps(plan.fold), plan.kernel.blocks);
    plan.x_shift = plan.fold * g.stride_width * g.channels;
    plan.x_pitch = (plan.steps - 1) * depth_of<E> * plan.x_shift + plan.taps;
    plan.gy_length = (plan.steps * depth_of<E> - 1) * plan.lanes + plan.vectors * LANES;
    plan.gy_step = depth_of<E> == 2 ? plan.vectors * LANES : plan.lanes;
    plan.gy_row = depth_of<E> == 2 ? plan.steps * plan.gy_step : plan.gy_length;
    const int64_t bytes = 4 * (plan.gy_row + g.stride_height * plan.x_pitch);
    plan.band = std::clamp<int64_t>(CACHE / bytes, 1, g.out_height);
    return plan;
}

// A row of gy as vectors (of pairs of neighboring groups), and their sums for the bias.
template <class T, class E>
void pack_gradient(const GradientPlan& plan, int64_t out_row, float* to, const T* row, float* bias) {
    static const bfloat16 one_pair[2] = {{0x3f80u}, {0x3f80u}};
    static const float one_float = 1.0f;
    const void* one = depth_of<E> == 2 ? static_cast<const void*>(one_pair) : &one_float;
    if constexpr (depth_of<E> == 1) copy_row<T, float>(to, plan.gy_length, row, 0, out_row);
    const auto pack = [&]([[maybe_unused]] int64_t step, [[maybe_unused]] int64_t lane) {
#if defined(__AVX512BF16__)
        if constexpr (depth_of<E> == 2)
            store(to + step * plan.gy_step + lane, load_pairs(row, 2 * step * plan.lanes + lane, plan.lanes, out_row));
#endif
    };
    const int64_t lanes = plan.vectors * LANES;
    for (int64_t step = 0; step < plan.steps && plan.vectors > 1; ++step)  // in the order of memory
        for (int64_t lane = 0; lane < lanes; lane += LANES) pack(step, lane);
    for (int64_t lane = 0; lane < lanes; lane += LANES) {
        vector a = load(bias + lane), b{}, c{}, d{};  // taken in turns, as an addition takes several cycles
        for (int64_t step = 0; step < plan.steps; ++step) {
            if (plan.vectors == 1) pack(step, lane);
            const float* word = to + step * plan.gy_step + lane;
            const vector next = multiply_add<E>(a, load(word), static_cast<const char*>(one));
            a = b, b = c, c = d, d = next;
        }
        store(bias + lane, (a + b) + (c + d));
    }
}

// Adds one image's gradient to `sums` [kernel row][tap][vectors · LANES] and `bias` [vectors · LANES].
template <class T, class E>
void add_image(const Geometry& g, const GradientPlan& plan, const T* x, const T* gy, float* x_words, float* gy_words,
               float* tile, const float* zeros, float* sums, float* bias) {
    const int64_t in_row = g.width * g.channels, out_row = g.out_width * g.filters;
    const int64_t wide = plan.kernel.vectors * LANES, all = plan.vectors * LANES;
    Product job{};
    job.steps = plan.steps;
    job.source_row = g.stride_height * plan.x_pitch * 4, job.source_block = 4;
    job.source_step = depth_of<E> * plan.x_shift * 4, job.source_group = plan.x_pitch * 4;
    job.weights_row = plan.gy_row, job.weights_step = plan.gy_step;
    job.start = zeros, job.out = tile, job.end = tile + plan.kernel.blocks * wide;
    job.pitch = job.lanes = wide;
    for (int64_t first = 0; first < g.out_height; first += plan.band) {
        job.rows = std::min(plan.band, g.out_height - first);
        const int64_t needed = (job.rows - 1) * g.stride_height + g.kernel_height;
        for (int64_t i = 0; i < needed; ++i) {
            const int64_t at = first * g.stride_height + i - g.pad_height;
            const T* from = at < 0 || at >= g.height ? nullptr : x + at * in_row;
            float* to = x_words + i * plan.x_pitch;
            if constexpr (depth_of<E> == 1)
                copy_row<T, float>(to, plan.x_pitch, from, g.pad_width * g.channels, in_row);
            else
                pair_row(to, plan.x_pitch, from, g.pad_width * g.channels, in_row, plan.x_shift);
        }
        for (int64_t i = 0; i < job.rows; ++i)
            pack_gradient<T, E>(plan, out_row, gy_words + i * plan.gy_row, gy + (first + i) * out_row, bias);
        for (int64_t kernel_row = 0; kernel_row < g.kernel_height; kernel_row += plan.kernel.groups)
            for (int64_t tap = 0; tap < plan.taps; tap += plan.kernel.blocks)
                for (int64_t lane = 0; lane < all; lane += wide) {
                    job.source = reinterpret_cast<const char*>(x_words + kernel_row * plan.x_pitch + tap);
                    job.weights = gy_words + lane;
                    plan.kernel.run(job);
                    for (int64_t p = 0; p < plan.kernel.blocks; ++p) {
                        float* sum = sums + (kernel_row * plan.taps + tap + p) * all + lane;
                        for (int64_t i = 0; i < wide; i += LANES)
                            store(sum + i, load(sum + i) + load(tile + p * wide + i));
                    }
                }
    }
}

template <class T, class E = element_of<T>>
void weight_gradient(const Geometry& g, const T* x, const T* gy, float* gw, float* gb) {
    const GradientPlan plan = plan_weight_gradient<E>(g);
    const int64_t all = plan.vectors * LANES, size = (g.kernel_height * plan.taps + 1) * all;
    const int64_t part = ceil_div(g.images, CHUNKS), chunks = ceil_div(g.images, part);
    const int64_t x_rows = (plan.band - 1) * g.stride_height + g.kernel_height;
    Scratch<float> sums(chunks * size);
#pragma omp parallel num_threads(g.threads)
    {
        Scratch<float> x_words(x_rows * plan.x_pitch), gy_words(plan.band * plan.gy_row);
        Scratch<float> tile(plan.kernel.blocks * plan.kernel.vectors * LANES), zeros(plan.kernel.vectors * LANES);
#pragma omp for schedule(static)
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            float* own = sums.get() + chunk * size;
            for (int64_t image = chunk * part; image < std::min((chunk + 1) * part, g.images); ++image)
                add_image<T, E>(g, plan, x + image * g.height * g.width * g.channels,
                                gy + image * g.out_height * g.out_width * g.filters, x_words.get(), gy_words.get(),
                                tile.get(), zeros.get(), own, own + size - all);
        }
    }
    for (int64_t chunk = 1; chunk < chunks; ++chunk)
        for (int64_t i = 0; i < size; ++i) sums.get()[i] += sums.get()[chunk * size + i];
    const int64_t row_length = g.kernel_width * g.channels;
    for (int64_t lane = 0; lane < plan.lanes; ++lane) {
        const int64_t filter = lane % g.filters, first = lane / g.filters * g.stride_width * g.channels;
        gb[filter] += sums.get()[size - all + lane];
        for (int64_t row = 0; row < g.kernel_height; ++row)
            for (int64_t tap = 0; tap < row_length; ++tap)
                gw[(filter * g.kernel_height + row) * row_length + tap] +=
                    sums.get()[(row * plan.taps + first + tap) * all + lane];
    }
}

}  // namespace

extern "C" {

// gw and gb come in as zeros.
void convnets_small_weight_gradient_f32(const Geometry* g, const float* x, const float* gy, float* gw, float* gb) {
    weight_gradient<float>(*g, x, gy, gw, gb);
}

void convnets_small_weight_gradient_bf16(const Geometry* g, const bfloat16* x, const bfloat16* gy, float* gw,
                                         float* gb) {
    weight_gradient<bfloat16>(*g, x, gy, gw, gb);
}
}

// The sum of squares over many arrays, in double precision: one call and one pass for all gradients of a network.

#include <algorithm>
#include <cstdint>

static double squares(const float* array, int64_t size) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int64_t place = 0; place < size; ++place) {
        const double value = array[place];
        sum += value * value;
    }
    return sum;
}

extern "C" double convnets_sum_of_squares(const float* const* arrays, const int64_t* sizes, int64_t count,
                                          int threads) {
    constexpr int64_t PIECE = 1 << 16;  // starting threads for less takes longer than the squares themselves
    double total = 0.0;
    for (int64_t index = 0; index < count; ++index) {
        const float* array = arrays[index];
        const int64_t size = sizes[index];
        if (size <= PIECE || threads == 1) {
            total += squares(array, size);
            continue;
        }
        double sum = 0.0;
#pragma omp parallel for num_threads(threads) reduction(+ : sum) schedule(static)
        for (int64_t start = 0; start < size; start += PIECE) {
            sum += squares(array + start, std::min(PIECE, size - start));
        }
        total += sum;
    }
    return total;
}

// Deterministic damage: the same seed gives the same cases on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}

    std::uint64_t next();
    std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(next() % bound); }
    bool one_in(std::size_t odds) { return below(odds) == 0; }
    // Mostly small, sometimes at the edges of the types.
    std::uint64_t number();

  private:
    std::uint64_t state_;
};

using Case = std::vector<std::uint8_t>;

// One to eight changes: bits, bytes, numbers, pieces removed, repeated or taken from `other`; and for text, tokens.
Case mutate(const Case& seed, const Case& other, bool text, Random& random);

// Make the checksums of a PNG's chunks right again, so that damage reaches what is behind them.
void repair_png(Case& file);

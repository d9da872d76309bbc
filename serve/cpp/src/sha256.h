// SHA-256 (FIPS 180-4).
#pragma once

#include <cstddef>
#include <string>

namespace rd {

// The digest of `size` bytes as 64 hexadecimal digits.
std::string sha256_hex(const void* bytes, std::size_t size);

}  // namespace rd

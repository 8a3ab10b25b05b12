// octavo/data/stb_encode.hpp: a private copy of stb_image_write (PNG, JPEG) for image.hpp; see stb_decode.hpp.
#ifndef OCTAVO_DATA_STB_ENCODE_HPP_
#define OCTAVO_DATA_STB_ENCODE_HPP_

// What stb includes, before it is included inside a namespace.
#include <cassert>
#include <cmath>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

#include "../config.hpp"

#pragma push_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_WRITE_STATIC")
#pragma push_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma push_macro("STBIWDEF")
#pragma push_macro("STBI_WRITE_NO_STDIO")
#pragma push_macro("STBIW_MALLOC")
#pragma push_macro("STBIW_REALLOC")
#pragma push_macro("STBIW_FREE")
#pragma push_macro("STBIW_REALLOC_SIZED")
#pragma push_macro("STBIW_MEMMOVE")
#pragma push_macro("STBIW_ASSERT")
#pragma push_macro("STBIW_ZLIB_COMPRESS")
#pragma push_macro("STBIW_CRC32")
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STB_IMAGE_WRITE_STATIC
#undef INCLUDE_STB_IMAGE_WRITE_H
#undef STBIWDEF
#undef STBI_WRITE_NO_STDIO
#undef STBIW_MALLOC
#undef STBIW_REALLOC
#undef STBIW_FREE
#undef STBIW_REALLOC_SIZED
#undef STBIW_MEMMOVE
#undef STBIW_ASSERT
#undef STBIW_ZLIB_COMPRESS
#undef STBIW_CRC32
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail::stb_encode {
#if __has_include(<stb/stb_image_write.h>)
#include <stb/stb_image_write.h>
#else
#include <stb_image_write.h>
#endif
}  // namespace detail::stb_encode
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo
#pragma GCC diagnostic pop

#pragma pop_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma pop_macro("STB_IMAGE_WRITE_STATIC")
#pragma pop_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma pop_macro("STBIWDEF")
#pragma pop_macro("STBI_WRITE_NO_STDIO")
#pragma pop_macro("STBIW_MALLOC")
#pragma pop_macro("STBIW_REALLOC")
#pragma pop_macro("STBIW_FREE")
#pragma pop_macro("STBIW_REALLOC_SIZED")
#pragma pop_macro("STBIW_MEMMOVE")
#pragma pop_macro("STBIW_ASSERT")
#pragma pop_macro("STBIW_ZLIB_COMPRESS")
#pragma pop_macro("STBIW_CRC32")

#endif  // OCTAVO_DATA_STB_ENCODE_HPP_

// A picture as a PNG file whose every byte has a fixed place: spec/pathtrace.md, "The file", is the definition.
//
// In scope: where rows are, the bytes around them, the two checksums. Out of scope: pixels.
//
// The rows are stored, not compressed: one IDAT chunk and one stored block each, so no row depends on another.
#pragma once

#include "pogw.cuh"

// Bytes before the first row, before the pixels of a row, and after them.
static const u32 PNG_HEAD = 47, PNG_FRONT = 14, PNG_CRC = 4;

struct PngSize {
    u32 width, height;
};

// Bytes of a row's pixels.
POGW_INLINE u32 png_line(const PngSize& size) { return 3 * size.width; }
// The first byte of row y; of the tail for y = height.
POGW_INLINE u64 png_row(const PngSize& size, u32 y) {
    return PNG_HEAD + (u64)y * (PNG_FRONT + png_line(size) + PNG_CRC);
}
POGW_INLINE u64 png_pixel(const PngSize& size, u32 x, u32 y) { return png_row(size, y) + PNG_FRONT + 3 * (u64)x; }

// ---- Bytes one after the other --------------------------------------------------------------------------------------

struct PngPen {
    u8* at;
};

POGW_INLINE void png_byte(PngPen& pen, u32 byte) { *pen.at++ = (u8)byte; }
// Big endian.
POGW_INLINE void png_word(PngPen& pen, u32 word) {
    for (u32 shift = 32; shift > 0; shift -= 8) png_byte(pen, word >> (shift - 8));
}
// Length and name of a chunk. The name's bytes from the left: 0x49444154 is IDAT.
POGW_INLINE void png_chunk(PngPen& pen, u32 len, u32 name) {
    png_word(pen, len);
    png_word(pen, name);
}

// ---- Checksums ------------------------------------------------------------------------------------------------------

// CRC-32 of name and content of a chunk (ISO 3309), bit by bit.
POGW_INLINE u32 png_crc(const u8* bytes, u32 len) {
    u32 crc = 0xffffffffu;
    for (u32 i = 0; i < len; ++i) {
        crc ^= bytes[i];
        for (u32 bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

// The CRC of the chunk that begins `at` and whose content has `len` bytes, behind it.
POGW_INLINE void png_seal(PngPen& pen, const u8* at, u32 len) { png_word(pen, png_crc(at + 4, 4 + len)); }

static const u32 PNG_ADLER = 65521;

// The two sums of Adler-32 (RFC 1950), each below PNG_ADLER.
struct PngSums {
    u32 plain, weighted;
};

// Of a row by itself: its filter byte is 0, so its pixels alone count.
POGW_INLINE PngSums png_row_sums(const u8* pixels, u32 line) {
    u32 plain = 0, weighted = 0;
    for (u32 i = 0; i < line; ++i) {
        plain = (plain + pixels[i]) % PNG_ADLER;
        weighted = (weighted + plain) % PNG_ADLER;
    }
    return PngSums{plain, weighted};
}

// Of what went before, and a row after it.
POGW_INLINE PngSums png_join(const PngSums& before, const PngSums& row, u32 line) {
    const u32 steps = (line + 1) % PNG_ADLER;
    const u32 carried = (u32)((u64)steps * before.plain % PNG_ADLER);
    return PngSums{(before.plain + row.plain) % PNG_ADLER,
                   (before.weighted + carried + row.weighted) % PNG_ADLER};
}

// ---- Parts of the file ----------------------------------------------------------------------------------------------

// What surrounds the pixels of row y.
POGW_INLINE void png_frame(u8* file, const PngSize& size, u32 y) {
    u8* const row = file + png_row(size, y);
    const u32 line = png_line(size), stored = line + 1;
    PngPen pen = {row};
    png_chunk(pen, stored + 5, 0x49444154u);
    // A stored block: not the last, its length and the complement, little endian. Then the row's filter: none.
    png_byte(pen, 0);
    png_byte(pen, stored & 255u);
    png_byte(pen, stored >> 8);
    png_byte(pen, ~stored & 255u);
    png_byte(pen, (~stored >> 8) & 255u);
    png_byte(pen, 0);
    pen.at += line;
    png_seal(pen, row, stored + 5);
}

// Signature, IHDR, and the two bytes that begin a zlib stream.
POGW_INLINE void png_head(u8* file, const PngSize& size) {
    PngPen pen = {file};
    png_word(pen, 0x89504e47u);
    png_word(pen, 0x0d0a1a0au);
    const u8* const header = pen.at;
    png_chunk(pen, 13, 0x49484452u);
    png_word(pen, size.width);
    png_word(pen, size.height);
    png_word(pen, 0x08020000u);
    png_byte(pen, 0);
    png_seal(pen, header, 13);
    const u8* const zlib = pen.at;
    png_chunk(pen, 2, 0x49444154u);
    png_byte(pen, 0x78);
    png_byte(pen, 0x01);
    png_seal(pen, zlib, 2);
}

// The last block, which is empty, and the sums of all rows; IEND.
POGW_INLINE void png_tail(u8* file, const PngSize& size, const PngSums& sums) {
    u8* const last = file + png_row(size, size.height);
    PngPen pen = {last};
    png_chunk(pen, 9, 0x49444154u);
    png_byte(pen, 1);
    png_word(pen, 0x0000ffffu);
    png_word(pen, (sums.weighted << 16) | sums.plain);
    png_seal(pen, last, 9);
    const u8* const end = pen.at;
    png_chunk(pen, 0, 0x49454e44u);
    png_seal(pen, end, 0);
}

// Which tile of a matrix a block computes.
#pragma once

#include "pogw.cuh"

// Row and column of a tile, counted in tiles.
struct PgPlace {
    u32 row, column;
};

// Blocks that run at the same time shall share rows and columns, so that what they read is in the cache: bands of eight
// rows of tiles, column by column. The grid is tiles of columns by tiles of rows; each tile is computed once.
POGW_INLINE PgPlace pg_tile_place() {
    const u32 band = 8;
    const u64 at = (u64)blockIdx.y * gridDim.x + blockIdx.x, per_band = (u64)band * gridDim.x;
    const u32 first = (u32)(at / per_band) * band, within = (u32)(at % per_band);
    const u32 rows = gridDim.y - first < band ? gridDim.y - first : band;
    return PgPlace{first + within % rows, within / rows};
}

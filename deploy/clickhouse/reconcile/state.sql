sipHash64(countIf(side = 0), sumIf(figures_hash, side = 0), countIf(side = 1), sumIf(figures_hash, side = 1))

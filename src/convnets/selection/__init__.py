"""Floor 8: choosing well. Folds, label errors, comparison with error bars, calibration, robustness, search.

`statistics/` says how sure a figure is; the other rooms make the figures.

Order, highest first; each imports only from below:

- comparing · labels
- calibration · curves · folds · robustness · search
- statistics
"""

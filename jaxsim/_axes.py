"""The shape vocabulary, once. Every docstring in jaxsim names array axes with these letters.

| letter | axis                                                                             |
|--------|----------------------------------------------------------------------------------|
| ``B``  | datasets in a batch                                                              |
| ``G``  | groups (clusters) of one dataset, padding included                               |
| ``F``  | grouping factors of one dataset                                                  |
| ``C``  | cells of a joint grouping, that is combinations of levels; of one factor, groups |
| ``N``  | rows (observations) of one dataset                                               |
| ``K``  | coefficients that a strategy estimates: ``P`` unless it has terms of its own     |
| ``P``  | columns of the fixed-effects model matrix ``X``                                  |
| ``Q``  | columns of the random-effects model matrix ``Z`` (a subset of the columns)       |
| ``M``  | all columns of a cross-product: the predictors, then the response, last          |
| ``T``  | entries of ``theta``, the free entries of the relative covariance factor         |
| ``D``  | entries of the vector of group SDs, correlations and residual SD                 |

Inside the mixed-model kernels the group axis comes *last* (``[Q, M, G]``): sums over groups are then matrix products and
everything else is elementwise. The Bayesian engine has matrix axes first and *lanes*
(datasets, draws, chains) last. In every public result the group axis comes *first* (``[G, M, M]``).
"""

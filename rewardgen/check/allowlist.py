"""What reward code may name. The gate's lists; anything else is refused.

Only functions that are pure, row-wise where the caller wants them to be, and cannot reach files,
processes or the interpreter. This keeps feedback early and precise; it is not a boundary.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTWISE = """
    abs absolute acos acosh add arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh
    atan atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor ceil clamp clamp_max
    clamp_min clip copysign cos cosh deg2rad div divide eq erf erfc erfinv exp exp2 expm1 fix
    float_power floor floor_divide fmax fmin fmod frac ge greater greater_equal gt heaviside
    hypot isclose isfinite isinf isnan ldexp le lerp less less_equal lgamma log log10 log1p log2
    logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit lt maximum
    minimum mul multiply nan_to_num ne neg negative not_equal positive pow rad2deg reciprocal
    relu remainder round rsqrt rsub sgn sigmoid sign signbit sin sinc sinh softmax log_softmax sqrt
    square sub subtract tan tanh true_divide trunc where xlogy
"""
_REDUCTIONS = """
    all allclose amax amin aminmax any argmax argmin argsort bincount count_nonzero cross
    cumprod cumsum cummax cummin diff dist dot equal kthvalue logsumexp max mean median min
    mode nanmean nanmedian nansum norm prod quantile sort std std_mean sum topk trace trapezoid
    trapz unique var var_mean nonzero
"""
_SHAPES = """
    atleast_1d atleast_2d broadcast_to cat chunk column_stack concat concatenate diag
    diagonal diag_embed dsplit dstack einsum flatten flip gather hsplit hstack index_select
    masked_select matmul mm bmm mv movedim moveaxis narrow numel outer permute ravel reshape
    roll rot90 select split squeeze stack swapaxes swapdims t take take_along_dim tensordot tile
    transpose tril triu unbind unsqueeze unflatten vsplit vstack addcmul addcdiv
    repeat_interleave masked_fill index_add scatter scatter_add bucketize searchsorted inner
    baddbmm addmm vander kron cartesian_prod cdist isin clone detach
"""
_BOTH = _words(f"{_ELEMENTWISE} {_REDUCTIONS} {_SHAPES}")

TORCH = _BOTH | _words(
    """
    arange as_tensor asarray empty empty_like eye full full_like linspace logspace ones
    ones_like scalar_tensor tensor zeros zeros_like broadcast_tensors meshgrid is_tensor
    is_floating_point result_type bool double float float16 float32 float64 half int int8
    int16 int32 int64 long short uint8 Tensor device dtype finfo iinfo e inf nan pi
    cosine_similarity FloatTensor
    """
)
TENSOR = _BOTH | _words(
    """
    T mT shape size dim ndim ndimension nelement device dtype is_cuda layout real bool byte
    char clone contiguous cpu cuda detach double expand expand_as float half int
    is_contiguous item long new_empty new_full new_ones new_tensor new_zeros repeat
    reshape_as sum_to_size to type tolist type_as view view_as requires_grad
    is_floating_point abs_ add_ addcmul_ addcdiv_ ceil_ clamp_ clamp_max_ clamp_min_ clip_
    copy_ cos_ div_ exp_ fill_ floor_ index_fill_ log_ logical_and_ logical_not_ logical_or_
    masked_fill_ mul_ nan_to_num_ neg_ pow_ reciprocal_ relu_ round_ sigmoid_ sign_ sin_
    sqrt_ square_ sub_ tanh_ unsqueeze_ squeeze_ zero_ masked_scatter index_fill index_copy
    scatter_ scatter_add_ index_add_ index_copy_ index_put_ lerp_ fmod_ remainder_
    clamp values indices
    """
)
COLLECTION = _words(
    """
    items keys values get update copy pop setdefault append extend insert index count sort
    reverse remove join lower upper replace startswith endswith add union
    """
)
MATH = _words(
    """
    acos acosh asin asinh atan atan2 atanh ceil comb copysign cos cosh degrees dist e erf
    erfc exp exp2 expm1 fabs floor fmod fsum gcd hypot inf isclose isfinite isinf isnan
    ldexp lgamma log log10 log1p log2 modf nan perm pi pow prod radians remainder sin sinh
    sqrt tan tanh tau trunc
    """
)
NUMPY = _words(
    """
    abs arccos arcsin arctan arctan2 array ceil clip cos cosh deg2rad degrees e exp float32
    float64 floor hypot inf isfinite isnan log log10 log1p log2 maximum mean minimum nan pi
    power rad2deg radians sign sin sinh sqrt square sum tan tanh
    """
)
FUNCTIONAL = _words(
    """
    celu cosine_similarity elu gelu glu hardshrink hardsigmoid hardswish hardtanh huber_loss
    l1_loss leaky_relu logsigmoid log_softmax mish mse_loss normalize one_hot pad
    pairwise_distance relu relu6 selu sigmoid silu smooth_l1_loss softmax softmin softplus
    softshrink softsign tanh tanhshrink threshold
    """
)
LINALG = _words(
    """
    cross det diagonal inv matmul matrix_norm multi_dot norm solve vecdot vector_norm
    """
)
SPECIAL = _words(
    """
    entr erf erfc exp2 expit expm1 log1p log_softmax logit round sinc softmax xlog1py xlogy
    """
)
TYPING = _words(
    """
    Any Callable Dict Final Iterable List Mapping Optional Sequence Tuple Union
    """
)
BUILTINS = _words(
    """
    abs all any bool dict divmod enumerate filter float frozenset int isinstance len list
    map max min pow range reversed round set slice sorted str sum tuple zip
    """
)
# the modules that may be imported, and what may be named in each
MODULES: dict[str, frozenset[str]] = {
    "torch": TORCH,
    "torch.nn": frozenset(),
    "torch.nn.functional": FUNCTIONAL,
    "torch.linalg": LINALG,
    "torch.special": SPECIAL,
    "torch.jit": frozenset({"script"}),
    "math": MATH,
    "numpy": NUMPY,
    "typing": TYPING,
    "collections.abc": TYPING,
    "__future__": frozenset({"annotations"}),
}
RANDOM = _words(
    """
    rand randn randint rand_like randn_like randint_like randperm normal bernoulli
    multinomial poisson dropout manual_seed seed uniform_ normal_ random_ exponential_
    """
)

"""What reward code may name. The gate's lists; anything else is refused.

Only functions that are pure, row-wise where the caller wants them to be, and cannot reach files,
processes or the interpreter. Left out beside those are what a reward has no use for: layers with
memory, sparse and quantized tensors, kernels of one vendor, and views on other rows' memory
(``as_strided``). This keeps feedback early and precise; it is not a boundary.
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
    angle bitwise_left_shift bitwise_right_shift conj conj_physical digamma frexp gcd hardshrink i0
    igamma igammac imag isneginf isposinf isreal lcm mvlgamma nextafter polygamma prelu real
    resolve_conj resolve_neg
"""
_REDUCTIONS = """
    all allclose amax amin aminmax any argmax argmin argsort bincount count_nonzero cross
    cumprod cumsum cummax cummin diff dist dot equal kthvalue logsumexp max mean median min
    mode nanmean nanmedian nansum norm prod quantile sort std std_mean sum topk trace trapezoid
    trapz unique var var_mean nonzero
    argwhere corrcoef cov histc logcumsumexp msort nanquantile nonzero_static renorm
    unique_consecutive vdot
"""
_SHAPES = """
    atleast_1d atleast_2d broadcast_to cat chunk column_stack concat concatenate diag
    diagonal diag_embed dsplit dstack einsum flatten flip gather hsplit hstack index_select
    masked_select matmul mm bmm mv movedim moveaxis narrow numel outer permute ravel reshape
    roll rot90 select split squeeze stack swapaxes swapdims t take take_along_dim tensordot tile
    transpose tril triu unbind unsqueeze unflatten vsplit vstack addcmul addcdiv
    repeat_interleave masked_fill index_add scatter scatter_add bucketize searchsorted inner
    baddbmm addmm vander kron cartesian_prod cdist isin clone detach
    addbmm addmv addr adjoint cholesky cholesky_inverse cholesky_solve det diagflat
    diagonal_scatter fliplr flipud ger index_copy index_fill index_put index_reduce inverse
    is_complex is_nonzero is_same_size is_signed logdet lu_solve masked_scatter matrix_exp
    matrix_power pinverse put qr scatter_reduce select_scatter slice_scatter slogdet
    split_with_sizes svd tensor_split triangular_solve
"""
_BOTH = _words(f"{_ELEMENTWISE} {_REDUCTIONS} {_SHAPES}")
# they change the tensor that they are given; one that outlives the call is refused elsewhere
_IN_PLACE = _words(
    """
    abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_
    atan_ atanh_ ceil_ celu_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_
    deg2rad_ erf_ erfc_ exp2_ exp_ expm1_ fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_
    ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ relu_
    round_ rsqrt_ selu_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ threshold_ trunc_
    xlogy_ zero_
    """
)
_IN_PLACE_METHODS = _IN_PLACE | _words(
    """
    absolute_ add_ addbmm_ addcdiv_ addcmul_ addmm_ addr_ arctan2_ atan2_ baddbmm_ bitwise_and_
    bitwise_left_shift_ bitwise_not_ bitwise_or_ bitwise_right_shift_ bitwise_xor_ copy_
    copysign_ cumprod_ cumsum_ digamma_ div_ divide_ eq_ erfinv_ fill_diagonal_ float_power_
    floor_divide_ fmod_ ge_ greater_ greater_equal_ gt_ heaviside_ hypot_ igamma_ igammac_
    index_add_ index_copy_ index_fill_ index_reduce_ le_ lerp_ less_ less_equal_ lgamma_
    logical_and_ logical_not_ logical_or_ logical_xor_ lt_ masked_fill_ masked_scatter_ mul_
    multiply_ mvlgamma_ ne_ nextafter_ not_equal_ polygamma_ pow_ put_ remainder_ renorm_
    scatter_ scatter_add_ scatter_reduce_ sgn_ sign_ squeeze_ sub_ subtract_ swapaxes_
    swapdims_ t_ transpose_ tril_ triu_ true_divide_ unsqueeze_
    """
)

TORCH = (
    _BOTH
    | _IN_PLACE
    | _words(
        """
    arange as_tensor asarray empty empty_like eye full full_like linspace logspace ones
    ones_like scalar_tensor tensor zeros zeros_like broadcast_tensors meshgrid is_tensor
    is_floating_point result_type bool double float float16 float32 float64 half int int8
    int16 int32 int64 long short uint8 Tensor device dtype finfo iinfo e inf nan pi
    cosine_similarity FloatTensor
    BoolTensor DoubleTensor IntTensor LongTensor Size adaptive_avg_pool1d adaptive_max_pool1d
    atleast_3d avg_pool1d bartlett_window bfloat16 bilinear blackman_window block_diag
    can_cast cdouble celu cfloat chain_matmul combinations complex complex128
    complex64 constant_pad_nd conv1d conv2d conv3d conv_transpose1d conv_transpose2d
    conv_transpose3d cumulative_trapezoid embedding fill frobenius_norm from_numpy
    get_default_dtype gradient group_norm hamming_window hann_window histogram histogramdd istft
    kaiser_window layer_norm lu_unpack matrix_rank max_pool1d max_pool2d max_pool3d newaxis
    no_grad norm_except_dim nuclear_norm pairwise_distance pdist pixel_shuffle pixel_unshuffle
    polar preserve_format promote_types range rms_norm row_stack segment_reduce selu stft strided
    threshold tril_indices triu_indices typename uint16 uint32 uint64 unravel_index
    view_as_complex view_as_real vmap
    binary_cross_entropy_with_logits cosine_embedding_loss hinge_embedding_loss kl_div
    margin_ranking_loss poisson_nll_loss triplet_margin_loss
    """
    )
)
TENSOR = (
    _BOTH
    | _IN_PLACE_METHODS
    | _words(
        """
    T mT shape size dim ndim ndimension nelement device dtype is_cuda layout real bool byte
    char clone contiguous cpu cuda detach double expand expand_as float half int
    is_contiguous item long new_empty new_full new_ones new_tensor new_zeros repeat
    reshape_as sum_to_size to type tolist type_as view view_as requires_grad
    is_floating_point H astype bfloat16 cdouble cfloat element_size get_device is_cpu itemsize mH
    nbytes short stride unfold lu
    clamp values indices
    """
    )
)
# attributes of what functions return: the limits of a dtype, the parts of a decomposition
RESULTS = _words(
    """
    bits eps resolution smallest_normal tiny
    L LU P Q R S U V Vh LD bin_edges eigenvalues eigenvectors exponent hist info logabsdet
    mantissa pivots rank residuals sign singular_values solution
    """
)
COLLECTION = _words(
    """
    items keys values get update copy pop setdefault append extend insert index count sort
    reverse remove join lower upper replace startswith endswith add union
    clear discard difference intersection issubset issuperset popitem symmetric_difference
    capitalize casefold center find isalnum isalpha isdecimal isdigit islower isnumeric isspace
    isupper ljust lstrip partition removeprefix removesuffix rfind rindex rjust rpartition rsplit
    rstrip splitlines strip swapcase title zfill
    is_integer bit_length
    """
)
# methods of collections that change them
CHANGING = _words(
    "append extend insert update setdefault pop popitem remove clear add discard sort reverse"
)
MATH = _words(
    """
    acos acosh asin asinh atan atan2 atanh ceil comb copysign cos cosh degrees dist e erf
    erfc exp exp2 expm1 fabs floor fmod fsum gcd hypot inf isclose isfinite isinf isnan
    ldexp lgamma log log10 log1p log2 modf nan perm pi pow prod radians remainder sin sinh
    sqrt tan tanh tau trunc
    cbrt factorial frexp gamma isqrt lcm nextafter ulp
    """
)
NUMPY = _words(
    """
    abs absolute acos acosh add all allclose amax amin angle any arange arccos arccosh arcsin
    arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere around array array_equal asarray
    asin asinh atan atan2 atanh atleast_1d atleast_2d atleast_3d average bincount block bool_
    broadcast_to cbrt ceil choose clip column_stack concatenate convolve copy copysign corrcoef
    cos cosh count_nonzero cov cross cumprod cumsum deg2rad degrees diag diagonal diff digitize
    divide divmod dot dtype e einsum equal exp exp2 expand_dims expm1 eye fabs finfo flip fliplr
    flipud float16 float32 float64 float_power floor floor_divide fmax fmin fmod full full_like
    gcd geomspace gradient greater greater_equal heaviside hstack hypot identity iinfo inf inner
    int32 int64 interp isclose isfinite isin isinf isnan kron lcm less less_equal linspace log
    log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logspace
    matmul max maximum mean median meshgrid min minimum mod moveaxis multiply nan nan_to_num
    nanmax nanmean nanmin nansum ndarray negative newaxis nonzero not_equal ones ones_like outer
    percentile pi polyfit polyval power prod ptp quantile rad2deg radians ravel reciprocal
    remainder repeat reshape rint roll round searchsorted sign sin sinc sinh sort split sqrt
    square squeeze stack std subtract sum swapaxes take tan tanh tensordot tile trace transpose
    trapezoid tril triu trunc unique var vdot vstack where zeros zeros_like
    """
)
NUMPY_LINALG = _words(
    "cholesky cond det eig eigh eigvals eigvalsh inv lstsq matrix_power matrix_rank multi_dot norm "
    "pinv qr slogdet solve svd"
)
FUNCTIONAL = _words(
    """
    celu cosine_similarity elu gelu glu hardshrink hardsigmoid hardswish hardtanh huber_loss
    l1_loss leaky_relu logsigmoid log_softmax mish mse_loss normalize one_hot pad
    pairwise_distance relu relu6 selu sigmoid silu smooth_l1_loss softmax softmin softplus
    softshrink softsign tanh tanhshrink threshold
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
    adaptive_max_pool2d adaptive_max_pool3d affine_grid avg_pool1d avg_pool2d avg_pool3d bilinear
    binary_cross_entropy binary_cross_entropy_with_logits celu_ conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d cosine_embedding_loss cross_entropy elu_
    embedding fold gaussian_nll_loss grid_sample group_norm hardtanh_ hinge_embedding_loss
    interpolate kl_div layer_norm leaky_relu_ linear local_response_norm lp_pool1d lp_pool2d
    margin_ranking_loss max_pool1d max_pool2d max_pool3d multi_margin_loss multilabel_margin_loss
    multilabel_soft_margin_loss nll_loss pdist pixel_shuffle pixel_unshuffle poisson_nll_loss
    prelu relu_ rms_norm selu_ soft_margin_loss threshold_ triplet_margin_loss
    triplet_margin_with_distance_loss unfold
    """
)
LINALG = _words(
    """
    cross det diagonal inv matmul matrix_norm multi_dot norm solve vecdot vector_norm
    cholesky cholesky_ex cond eig eigh eigvals eigvalsh householder_product inv_ex ldl_factor
    ldl_factor_ex ldl_solve lstsq lu lu_factor lu_factor_ex lu_solve matrix_exp matrix_power
    matrix_rank pinv qr slogdet solve_ex solve_triangular svd svdvals tensorinv tensorsolve vander
    """
)
SPECIAL = _words(
    """
    entr erf erfc exp2 expit expm1 log1p log_softmax logit round sinc softmax xlog1py xlogy
    airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 chebyshev_polynomial_t chebyshev_polynomial_u
    chebyshev_polynomial_v chebyshev_polynomial_w digamma erfcx erfinv gammainc gammaincc gammaln
    hermite_polynomial_h hermite_polynomial_he i0 i0e i1 i1e laguerre_polynomial_l
    legendre_polynomial_p log_ndtr logsumexp modified_bessel_i0 modified_bessel_i1
    modified_bessel_k0 modified_bessel_k1 multigammaln ndtr ndtri polygamma psi
    scaled_modified_bessel_k0 scaled_modified_bessel_k1 shifted_chebyshev_polynomial_t
    shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w
    spherical_bessel_j0 zeta
    """
)
ABSTRACT = _words("Callable Collection Iterable Iterator Mapping Sequence")
# they make classes: importable for annotations, which are never evaluated, and refused elsewhere
ANNOTATIONS_ONLY = _words("NamedTuple Protocol TypedDict")
TYPING = (
    ABSTRACT
    | ANNOTATIONS_ONLY
    | _words(
        """
        Annotated Any ClassVar Dict Final FrozenSet List Literal NoReturn Optional Set TYPE_CHECKING
        Tuple Type TypeAlias TypeVar Union cast
        """
    )
)
BUILTINS = _words(
    """
    Ellipsis abs all any bool chr complex dict divmod enumerate filter float format frozenset int
    isinstance iter len list map max min next ord pow range repr reversed round set slice sorted
    str sum tuple zip
    """
)
# what may be raised; not what ends a process or an iteration
EXCEPTIONS = _words(
    """
    ArithmeticError AssertionError Exception FloatingPointError IndexError KeyError LookupError
    NotImplementedError OverflowError RuntimeError TypeError ValueError ZeroDivisionError
    """
)
# the modules that may be imported, and what may be named in each
MODULES: dict[str, frozenset[str]] = {
    "torch": TORCH,
    "torch.nn": frozenset(),
    "torch.nn.functional": FUNCTIONAL,
    "torch.linalg": LINALG,
    "torch.special": SPECIAL,
    "torch.jit": _words("Final annotate export ignore is_scripting script unused"),
    "math": MATH,
    "numpy": NUMPY,
    "numpy.linalg": NUMPY_LINALG,
    "typing": TYPING,
    "collections.abc": ABSTRACT,
    "collections": _words("OrderedDict defaultdict"),
    "functools": _words("partial reduce"),
    "itertools": _words(
        "accumulate chain combinations islice pairwise permutations product repeat starmap "
        "zip_longest"
    ),
    # not attrgetter and methodcaller, which reach any attribute
    "operator": _words("add and_ itemgetter mul neg or_ sub truediv"),
    "__future__": frozenset({"annotations"}),
}
RANDOM = _words(
    """
    alpha_dropout alpha_dropout_ bernoulli bernoulli_ binomial cauchy_ dropout dropout1d dropout2d
    dropout3d dropout_ exponential_ feature_alpha_dropout feature_dropout fractional_max_pool2d
    fractional_max_pool3d geometric_ gumbel_softmax initial_seed log_normal_ manual_seed
    multinomial normal normal_ pca_lowrank poisson rand rand_like randint randint_like randn
    randn_like random random_ randperm rrelu rrelu_ seed svd_lowrank uniform_
    """
)

/* ran-deploy's C interface: engines that ran-deploy made, run from C, C++ or anything that can call C.
 *
 * Rules that hold for every function:
 *   - It returns a ran_status, RAN_OK being 0; on anything else, ran_last_error() and ran_last_fix() say in this
 *     thread what was wrong and what to do. Nothing throws, nothing prints, nothing ends the process.
 *   - Handles are numbers that are never used twice. A closed, null or invented handle is refused, not followed.
 *   - All text is UTF-8 and ends in a zero byte. Text that a handle hands out lives until the handle is closed.
 *   - Any number of threads may use one engine at once, and close it while others still run in it.
 */
#ifndef RAN_DEPLOY_H
#define RAN_DEPLOY_H

#include <stddef.h>
#include <stdint.h>

#if defined(RAN_DEPLOY_BUILDING) && defined(__GNUC__)
#define RAN_API __attribute__((visibility("default")))
#else
#define RAN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function or a structure changes so that an old caller would break. */
#define RAN_ABI_VERSION 1

/* The values are the exit codes of the command line tool. */
typedef enum ran_status {
    RAN_OK = 0,
    RAN_INTERNAL = 1,     /* a fault of the library, or no memory */
    RAN_USAGE = 2,        /* an argument, a file or a handle that cannot be used as given */
    RAN_GATE = 3,         /* the engine computes nonsense: logits that are not finite */
    RAN_INCOMPATIBLE = 4, /* an engine for another library, version or GPU */
    RAN_INTEGRITY = 5,    /* a file that is not what its manifest or format says */
    RAN_MISSING = 6       /* a library, a back end or a GPU that is not here */
} ran_status;

RAN_API uint32_t ran_abi_version(void);
RAN_API const char *ran_version(void);
/* The back ends that were compiled in, separated by blanks, such as "onnxruntime openvino"; may be empty. */
RAN_API const char *ran_backends(void);
/* The image formats that ran_picture_open reads, separated by blanks, such as "JPEG PNG"; may be empty. */
RAN_API const char *ran_formats(void);
RAN_API const char *ran_status_name(ran_status status);

/* What was wrong, and what to do about it, in the last call of this thread that failed; never null. */
RAN_API const char *ran_last_error(void);
RAN_API const char *ran_last_fix(void);

/* ---- Pixels -------------------------------------------------------------------------------------------------- */

/* An upright RGB image, 8 bits for each sample, rows from top to bottom. The pixels stay the caller's. */
typedef struct ran_image {
    const uint8_t *pixels;
    size_t size_bytes; /* of the buffer: at least (height - 1) * stride + 3 * width */
    uint32_t width;
    uint32_t height;
    size_t stride; /* bytes from one row to the next; 0: 3 * width */
} ran_image;

/* A decoded image that the library owns. */
typedef struct ran_picture_handle *ran_picture;

/* Decode a JPEG or PNG file, turned upright as its EXIF says. At most 64 Mi pixels are read. */
RAN_API ran_status ran_picture_open(const char *path, ran_picture *picture);
/* The same from the bytes of a file. */
RAN_API ran_status ran_picture_decode(const void *bytes, size_t size_bytes, ran_picture *picture);
/* Look at the pixels, which live until the picture is closed. */
RAN_API ran_status ran_picture_view(ran_picture picture, ran_image *image);
RAN_API ran_status ran_picture_close(ran_picture picture);

/* Bring an image to model size: Pillow's antialiased bilinear resize, bit for bit, then the centre crop.
 *   resize: length of the shorter side before the crop; 0: both sides become `size` at once.
 *   pixels: size * size * 3 bytes, which `size_bytes` must say. */
RAN_API ran_status ran_fit(const ran_image *image, uint32_t resize, uint32_t size, uint8_t *pixels, size_t size_bytes);

/* Turn `count` images of uint8 [size, size, 3] into float32 [3, size, size]: (x - 255 mean) / (255 std).
 *   mean, std: three numbers each, on the scale 0 to 1.
 *   image_bytes, tensor_bytes: sizes of both buffers: count * size * size * 3 samples. */
RAN_API ran_status ran_normalize(const uint8_t *images, size_t image_bytes, size_t count, uint32_t size,
                                 const float *mean, const float *std, float *tensor, size_t tensor_bytes);

/* ---- Engines ------------------------------------------------------------------------------------------------- */

typedef struct ran_engine_handle *ran_engine;

typedef struct ran_options {
    size_t struct_size;      /* sizeof(ran_options) */
    const char *runtime;     /* null or "auto", "onnxruntime", "openvino", "tensorrt", "tensorrt-rtx" */
    const char *ort_library; /* libonnxruntime; null: $RAN_DEPLOY_ORT_LIBRARY, else the one known when this was built,
                                else the system's */
    uint32_t threads;        /* CPU threads for one batch; 0: as many as this process may use */
} ran_options;

#define RAN_OPTIONS_INIT {sizeof(ran_options), NULL, NULL, 0}

#define RAN_MAX_RANK 4
#define RAN_DYNAMIC (-1)

typedef struct ran_tensor {
    const char *name;
    const char *dtype;  /* "uint8" or "float32" */
    const char *layout; /* "NHWC", "NCHW" or "NC" */
    size_t rank;
    int64_t shape[RAN_MAX_RANK]; /* RAN_DYNAMIC for a batch of any size */
} ran_tensor;

typedef struct ran_info {
    size_t struct_size; /* sizeof(ran_info), set by the caller */
    const char *path;
    const char *sha256;
    const char *runtime; /* what really runs, such as "onnxruntime" */
    const char *runtime_version;
    const char *device; /* "cpu", or the GPU's name */
    const char *arch;   /* "" if the manifest names none */
    uint32_t threads;   /* CPU threads; 1 on a GPU */
    uint32_t classes;
    uint32_t size;   /* height and width of the input, in pixels */
    uint32_t resize; /* shorter side before the centre crop; 0: no crop */
    ran_tensor input;
    ran_tensor output;
} ran_info;

typedef struct ran_prediction {
    uint32_t index;     /* position among the logits */
    double probability; /* softmax, 0 to 1 */
    const char *label;
} ran_prediction;

/* Open an engine: .onnx or .plan with its manifest beside it, or a .ran archive, which holds both. Hashes first, then
 * versions; nothing is loaded before. */
RAN_API ran_status ran_engine_open(const char *path, const ran_options *options, ran_engine *engine);
/* Close it once the runs in progress are done; a null handle is fine, a closed one is RAN_USAGE. */
RAN_API ran_status ran_engine_close(ran_engine engine);
RAN_API ran_status ran_engine_info(ran_engine engine, ran_info *info);
RAN_API ran_status ran_engine_label(ran_engine engine, uint32_t index, const char **label);

/* Classify an image. `predictions` has room for `k`; the likeliest come first, of equal ones the first label.
 *   count: how many were written: k, or the number of classes if that is less. */
RAN_API ran_status ran_engine_classify(ran_engine engine, const ran_image *image, size_t k,
                                       ran_prediction *predictions, size_t *count);

/* Turn an image into the engine's own input for one image: `size_bytes` of uint8 NHWC or float32 NCHW. */
RAN_API ran_status ran_engine_prepare(ran_engine engine, const ran_image *image, void *tensor, size_t size_bytes);

/* Run a prepared batch.
 *   input, input_bytes: `batch` images, one after another, as ran_engine_prepare writes them.
 *   logits, logits_bytes: float32 [batch, classes]. */
RAN_API ran_status ran_engine_run(ran_engine engine, const void *input, size_t input_bytes, size_t batch,
                                  float *logits, size_t logits_bytes);

#ifdef __cplusplus
}
#endif

#endif

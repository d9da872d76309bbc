/* The engine from C: the likeliest class of one image. */
#include <stdio.h>

#include <ran_deploy/ran_deploy.h>

int main(int argc, char **argv) {
    ran_engine engine = NULL;
    ran_picture picture = NULL;
    ran_image image;
    ran_prediction best;
    size_t count;
    ran_status status;

    if (argc != 3) {
        fprintf(stderr, "usage: %s ENGINE IMAGE\n", argv[0]);
        return RAN_USAGE;
    }
    status = ran_engine_open(argv[1], NULL, &engine);
    if (status == RAN_OK) status = ran_picture_open(argv[2], &picture);
    if (status == RAN_OK) status = ran_picture_view(picture, &image);
    if (status == RAN_OK) status = ran_engine_classify(engine, &image, 1, &best, &count);
    if (status == RAN_OK) {
        printf("%s %.4f\n", best.label, best.probability);
    } else {
        fprintf(stderr, "error: %s\n  fix: %s\n", ran_last_error(), ran_last_fix());
    }
    ran_picture_close(picture); /* null is fine */
    ran_engine_close(engine);
    return (int)status;
}

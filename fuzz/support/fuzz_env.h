/* What fuzz targets share: an environment with repeatable randomness, and writing their seeds. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FUZZ_ENV_H
#define TW_FUZZ_ENV_H

#include <treewire/env.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/** Made on first use, with OpenSSL's provider; its randomness starts anew with tw_fuzz_restart, called for each input.
 */
const tw_env *tw_fuzz_env(void);
void tw_fuzz_restart(void);
/** For what is made before all inputs and lives on in them: they must not draw the same keys again. */
void tw_fuzz_restart_apart(void);
/** A signer of the suite, always the same one. */
tw_signer *tw_fuzz_signer(const tw_suite *suite);

/** The folder to write seeds to, from the environment variable TW_FUZZ_SEEDS; NULL: fuzz as usual. */
const char *tw_fuzz_seed_folder(void);
void tw_fuzz_write_seed(const char *name, tw_bytes seed);
/** Ends the program after the seeds are written. */
void tw_fuzz_seeds_done(void);

/** Stops as a find unless `condition`. */
#define TW_FUZZ_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())

#endif

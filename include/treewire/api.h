/* Symbol visibility and attributes. SPDX-License-Identifier: Apache-2.0 */
#ifndef TREEWIRE_API_H
#define TREEWIRE_API_H

#if defined(__GNUC__)
#define TW_API __attribute__((visibility("default")))
#define TW_MUST_USE __attribute__((warn_unused_result))
#else
#define TW_API
#define TW_MUST_USE
#endif

#define TW_VERSION_MAJOR 0
#define TW_VERSION_MINOR 1
#define TW_VERSION_PATCH 0

#endif

// LOCKSTEP_HD marks functions that run on the host and on a CUDA device.
#pragma once

#ifdef __CUDACC__
#define LOCKSTEP_HD __host__ __device__
#else
#define LOCKSTEP_HD
#endif

// CUDA's small vectors, laid out and aligned as there.
#pragma once

#define NN_VECTOR_TYPES(Type, name, align2, align4)                           \
  struct name##1 { Type x; };                                                 \
  struct alignas(align2) name##2 { Type x, y; };                              \
  struct name##3 { Type x, y, z; };                                           \
  struct alignas(align4) name##4 { Type x, y, z, w; };                        \
  inline name##1 make_##name##1(Type x) { return {x}; }                       \
  inline name##2 make_##name##2(Type x, Type y) { return {x, y}; }            \
  inline name##3 make_##name##3(Type x, Type y, Type z) { return {x, y, z}; } \
  inline name##4 make_##name##4(Type x, Type y, Type z, Type w) { return {x, y, z, w}; }

NN_VECTOR_TYPES(signed char, char, 2, 4)
NN_VECTOR_TYPES(unsigned char, uchar, 2, 4)
NN_VECTOR_TYPES(short, short, 4, 8)
NN_VECTOR_TYPES(unsigned short, ushort, 4, 8)
NN_VECTOR_TYPES(int, int, 8, 16)
NN_VECTOR_TYPES(unsigned int, uint, 8, 16)
NN_VECTOR_TYPES(float, float, 8, 16)
NN_VECTOR_TYPES(long long, longlong, 16, 16)
NN_VECTOR_TYPES(unsigned long long, ulonglong, 16, 16)
NN_VECTOR_TYPES(double, double, 16, 16)
#undef NN_VECTOR_TYPES

struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
  constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
